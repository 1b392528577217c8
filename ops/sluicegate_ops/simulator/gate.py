"""The checks before the API: authorisation, the concurrency cap, the request limiter."""

from random import Random
from typing import NamedTuple

from . import limits
from .http.exchange import Request
from .idempotency import IdempotencyKeys
from .request_log import WindowPeak
from .settings import Settings
from .spending import Spending
from .throughput import Queues


class Credential:
    """One bearer token or API v1 profile secret: its quota, keys, queues and spending."""

    def __init__(self, limiter: limits.Limiter | None) -> None:
        self.limiter = limiter
        self.keys = IdempotencyKeys()
        self.queues = Queues()
        self.spending = Spending()
        self.counted = WindowPeak()


class Admission(NamedTuple):
    """A request's credential, its problem (a row of the error table, or ""), and rate headers."""

    credential: Credential
    problem: str
    rate_headers: bytes
    retry_seconds: float


class Gate:
    """Admits or refuses requests. Times are in seconds: ``now`` monotonic, ``wall`` Unix."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._random = Random(settings.seed)  # noqa: S311 - repeatable phases, nothing secret
        self._credentials: dict[bytes, Credential] = {}
        self._nobody: Credential | None = None
        self._know(settings)

    @property
    def highest_in_window(self) -> int:
        """The most requests of one credential that used quota within any window."""
        credentials = list(self._credentials.values())
        return max((credential.counted.highest for credential in credentials), default=0)

    def change(self, settings: Settings, now: float) -> None:
        """Change the settings; quotas keep their counts unless the kind or window changes."""
        old, self._settings = self._settings, settings
        self._know(settings)
        same = all(
            getattr(old, name) == getattr(settings, name)
            for name in ("limiter", "window_seconds", "count_rejected")
        )
        self._nobody = None
        for credential in self._credentials.values():
            if same and credential.limiter is not None and settings.limit is not None:
                credential.limiter.limit = settings.limit
            else:
                credential.limiter = limits.build(settings, now=now, random=self._random)

    def admit(self, request: Request, now: float, wall: float, in_flight: int) -> Admission:
        """Judge a request on arrival; ``in_flight`` counts unanswered requests, including it."""
        if request.v1:
            return self._admit_v1(request, now, wall, in_flight)
        header = request.authorization
        if header is None:
            # As published: 404 without the header, 401 for a wrong key.
            return self._refuse(self._stranger(now), "not_found", now, wall)
        if (self._known and header not in self._known) or not header.startswith(b"Bearer "):
            return self._refuse(self._stranger(now), "unauthorized", now, wall)
        return self._enter(header, now, wall, in_flight)

    def _admit_v1(self, request: Request, now: float, wall: float, in_flight: int) -> Admission:
        secret = request.secret
        if not secret:
            admission = self._refuse(self._stranger(now), "no_secret", now, wall)
        elif self._secrets and secret not in self._secrets:
            admission = self._refuse(self._stranger(now), "bad_secret", now, wall)
        else:
            admission = self._enter(b"Secret " + secret, now, wall, in_flight)
        # The provider documents no rate headers for API v1.
        return admission._replace(rate_headers=b"")

    def _enter(self, header: bytes, now: float, wall: float, in_flight: int) -> Admission:
        credential = self._credentials.get(header)
        if credential is None:
            credential = self._credentials[header] = self._fresh(now)
        cap = self._settings.max_concurrency
        if cap is not None and in_flight > cap:
            return self._refuse(credential, "concurrency", now, wall)
        return self._take(credential, now, wall)

    def _know(self, settings: Settings) -> None:
        self._known = {b"Bearer " + key.encode() for key in settings.api_keys}
        self._secrets = {secret.encode() for secret in settings.profile_secrets}

    def _fresh(self, now: float) -> Credential:
        return Credential(limits.build(self._settings, now=now, random=self._random))

    def _stranger(self, now: float) -> Credential:
        self._nobody = self._nobody or self._fresh(now)
        return self._nobody

    def _refuse(self, credential: Credential, problem: str, now: float, wall: float) -> Admission:
        limiter = credential.limiter
        headers = b"" if limiter is None else self._headers(limiter.limit, limiter.peek(now), wall)
        return Admission(credential, problem, headers, 0.0)

    def _take(self, credential: Credential, now: float, wall: float) -> Admission:
        limiter, settings = credential.limiter, self._settings
        if limiter is None:
            credential.counted.add(now, settings.window_seconds)
            return Admission(credential, "", b"", 0.0)
        verdict = limiter.take(now)
        if verdict.admitted or settings.count_rejected:
            credential.counted.add(now, settings.window_seconds)
        problem = "" if verdict.admitted else "rate"
        headers = self._headers(limiter.limit, verdict, wall)
        return Admission(credential, problem, headers, verdict.retry_seconds)

    def _headers(self, limit: int, verdict: limits.LimitVerdict, wall: float) -> bytes:
        if not self._settings.rate_headers:
            return b""
        headers = b"x-ratelimit-limit: %d\r\nx-ratelimit-remaining: %d\r\n" % (
            limit,
            verdict.remaining,
        )
        reset = limits.reset_text(verdict, wall, self._settings)
        return headers + (f"x-ratelimit-reset: {reset}\r\n".encode() if reset else b"")
