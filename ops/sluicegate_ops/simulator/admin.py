"""The simulator's admin API at /_sim: reports what it received, and changes it while it runs."""

from collections.abc import Callable
from dataclasses import asdict
from urllib.parse import parse_qs

import msgspec

from .http.exchange import HttpReply, Request
from .inbound import read
from .provider import ARRIVALS_PAGE, Provider
from .settings import changed


class Admin:
    """Answers requests under ``/_sim`` without a key, a limit, latency or a log entry."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._routes: dict[tuple[str, str], Callable[[Request], object]] = {
            ("GET", "/_sim/report"): lambda _: provider.report(),
            ("GET", "/_sim/recipients"): lambda _: provider.recipients(),
            ("GET", "/_sim/requests"): self._requests,
            ("GET", "/_sim/arrivals"): self._arrivals,
            ("GET", "/_sim/costs"): lambda _: provider.costs(),
            ("GET", "/_sim/inflight"): lambda _: provider.in_flight,
            ("GET", "/_sim/webhooks"): lambda _: provider.webhooks(),
            ("GET", "/_sim/public_key"): lambda _: {"public_key": provider.public_key},
            ("POST", "/_sim/inbound"): lambda request: provider.receive(read(request.body)),
            ("GET", "/_sim/settings"): lambda _: self._settings(),
            ("POST", "/_sim/settings"): self._change,
            ("POST", "/_sim/reset"): self._reset,
        }

    def handle(self, request: Request) -> HttpReply:
        """Answer 200 with JSON, 404 for an unknown path, or 400 with the reason."""
        route = self._routes.get((request.method, request.path))
        if route is None:
            valid = ", ".join(f"{method} {path}" for method, path in self._routes)
            return _json(404, {"error": f"unknown path; choose from {valid}"})
        try:
            return _json(200, route(request))
        except ValueError as error:
            return _json(400, {"error": str(error)})

    def _requests(self, request: Request) -> object:
        return self._provider.requests(_number(request, "after", 0))

    def _arrivals(self, request: Request) -> object:
        after, limit = _number(request, "after", 0), _number(request, "limit", ARRIVALS_PAGE)
        return self._provider.arrivals(after, limit)

    def _settings(self) -> object:
        settings = asdict(self._provider.settings)
        del settings["webhooks"]["signing_key"]
        for profile in settings["account"]["profiles"]:
            del profile["v1_secret"]
        secrets = ("api_keys", "profile_secrets")
        return settings | {name: len(settings[name]) for name in secrets}

    def _change(self, request: Request) -> object:
        try:
            changes = msgspec.json.decode(request.body, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"expected a JSON object of settings: {error}") from error
        self._provider.change(changed(self._provider.settings, changes))
        return self._settings()

    def _reset(self, _: Request) -> object:
        self._provider.reset()
        return {}


def _number(request: Request, name: str, otherwise: int) -> int:
    given = parse_qs(request.query).get(name, [str(otherwise)])[-1]
    if not given.isdecimal():
        raise ValueError(f"{name} = {given!r}: must be a whole number, 0 or more")
    return int(given)


def _json(status: int, value: object) -> HttpReply:
    return HttpReply(status, msgspec.json.encode(value))
