"""``/healthz``, ``/readyz`` and ``/metrics``: for monitoring."""

from typing import Final

import redis
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from sluicegate.deadlines import in_time
from sluicegate.keys import Keys
from sluicegate.scripts import Script, Scripts

from ..inspect import aread_memory
from .site import Site

WRITES: Final = Script("sluicegate_ops.web.writes")
CHECK_SECONDS: Final = 2.0
_PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"


class HealthRoutes:
    """The endpoints for monitoring; they reveal no secrets and no phone numbers."""

    def __init__(self, site: Site) -> None:
        self._site = site
        prefix = Keys(next(iter(site.config.accounts))).prefix
        self._scripts = Scripts(site.client, prefix)

    async def alive(self, request: Request) -> Response:
        """200 while the process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        """200 while Redis answers and takes writes, 503 otherwise."""
        checks = await self._checks()
        ready = checks["redis"] == checks["writable"] == "ok"
        return JSONResponse(checks, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Metrics in Prometheus's text format; those from Redis are left out while it is away."""
        return PlainTextResponse(await metrics_text(self._site), media_type=_PROMETHEUS)

    async def _checks(self) -> dict[str, str]:
        site = self._site
        checks = {"redis": "away", "writable": "unknown", "memory": "unknown"}
        try:
            async with in_time(CHECK_SECONDS):
                memory = await aread_memory(site.client, site.config)
                checks["redis"] = "ok"
                checks["memory"] = "full: no messages are taken" if memory.full else "ok"
                checks["writable"] = "no"
                await self._scripts.acall(WRITES, [])
                checks["writable"] = "ok"
        except (redis.RedisError, TimeoutError):
            pass
        return checks


async def metrics_text(site: Site) -> str:
    """Counts of what came in over HTTP, and each account's state, as Prometheus reads them."""
    lines = [
        "# HELP sluicegate_http_total What came in over HTTP since this process started.",
        "# TYPE sluicegate_http_total counter",
    ]
    for (what, account), count in sorted(site.counts.items()):
        lines.append(f'sluicegate_http_total{{what="{what}",account="{account}"}} {count}')
    lines += [
        "# HELP sluicegate_app_requests_total What apps' messages were answered.",
        "# TYPE sluicegate_app_requests_total counter",
    ]
    for (app, answer), count in sorted(site.answers.items()):
        lines.append(f'sluicegate_app_requests_total{{app="{app}",answer="{answer}"}} {count}')
    return "\n".join(lines) + "\n" + await site.scrape.text()
