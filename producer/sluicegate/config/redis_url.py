"""A Redis URL: what may stand in it, and how TLS is spoken with the server that it names.

The worker's own connections and Celery's to the broker take their options from here, since the
libraries differ: redis-py verifies a server's certificate unless told otherwise, and kombu's
transport speaks no TLS, or doesn't verify, unless told to.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

TLS: Final = "rediss"
_SCHEMES: Final = ("redis", TLS, "unix")
_CERT_REQS: Final = ("required", "optional", "none")
_TRUTHS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


def _is_path(text: str) -> bool:
    return bool(text)


_TLS_PARAMETERS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "ssl_ca_certs": (_is_path, "the path of the certificates that are trusted"),
    "ssl_certfile": (_is_path, "the path of this client's certificate"),
    "ssl_keyfile": (_is_path, "the path of its key"),
    "ssl_check_hostname": (_TRUTHS.__contains__, "true or false"),
    "ssl_cert_reqs": (_CERT_REQS.__contains__, "required, which it is unless set, or none"),
}
_PARAMETERS: Final[Mapping[str, tuple[Callable[[str], object], str]]] = {
    "db": (re.compile(r"[0-9]{1,6}").fullmatch, "a database number"),
    "client_name": (re.compile(r"[!-~]{1,60}").fullmatch, "1 to 60 printable characters"),
    "protocol": (("2", "3").__contains__, "2 or 3"),
    **_TLS_PARAMETERS,
}
_DATABASE = re.compile(r"/?[0-9]*")  # redis-py would take another text for number 0


def redis_url_fault(url: str) -> str:
    """Say what would be valid in place of ``url``, without a word of it; ``""`` if it is."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it raises ValueError where it is not one
    except ValueError:
        return _FORM
    if parts.scheme not in _SCHEMES or (parts.scheme == "unix" and not parts.path):
        return _FORM
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        return _FORM
    return next(_parameter_faults(parts.scheme, parts.query), "")


def tls_options(url: str) -> dict[str, Any]:
    """The options of TLS for a server, as redis-py's connections take them; empty without TLS.

    ``url`` is valid. The certificate is verified, and the host's name in it, unless the URL itself
    says otherwise.
    """
    parts = urlsplit(url)
    if parts.scheme != TLS:
        return {}
    given = {name: text for name, text in parse_qsl(parts.query) if name in _TLS_PARAMETERS}
    check = _TRUTHS[given.pop("ssl_check_hostname", "true")]
    options: dict[str, Any] = {"ssl_cert_reqs": "required", **given}
    return options | {"ssl_check_hostname": check and options["ssl_cert_reqs"] != "none"}


def without_tls_options(url: str) -> str:
    """The URL without what ``tls_options`` says."""
    parts = urlsplit(url)
    kept = [(name, text) for name, text in parse_qsl(parts.query) if name not in _TLS_PARAMETERS]
    text = urlunsplit(parts._replace(query=urlencode(kept)))
    return text if "://" in text else text.replace(":", "://", 1)  # no host: Python leaves it out


def broker_of(url: str) -> str:
    """A Redis's URL as kombu reads it: without parameters, which it would take for its own."""
    parts = urlsplit(url)
    path = f"/{dict(parse_qsl(parts.query)).get('db', parts.path.lstrip('/'))}"
    return urlunsplit(parts._replace(path=path, query=""))


def with_password(url: str, password: str) -> str:
    """The URL with a password; raises ValueError if it has one already, or is no Redis's."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or parts.password is not None:
        raise ValueError("a password already, or no Redis")
    user, at, host = parts.netloc.rpartition("@")
    user = user.rstrip(":") if at else ""
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))


def is_redis(url: str) -> bool:
    """Whether a broker's URL is one of Redis's, to which all of this applies."""
    return urlsplit(url).scheme in ("redis", TLS)


_FORM: Final = "must be redis://host:port/database-number, rediss://... or unix://path"


def _parameter_faults(scheme: str, query: str) -> Iterator[str]:
    seen = set[str]()
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _PARAMETERS:
            shown = f" {name}" if re.fullmatch(r"[a-z_]{1,40}", name) else ""
            yield f"has a parameter{shown} that is not known; known: {', '.join(_PARAMETERS)}"
        elif name in seen:
            yield f"has its parameter {name} twice"
        elif name in _TLS_PARAMETERS and scheme != TLS:
            yield f"has the parameter {name}, and without TLS: write rediss://"
        elif not _PARAMETERS[name][0](text):
            yield f"has a parameter {name} that can't be used: it must be {_PARAMETERS[name][1]}"
        seen.add(name)
