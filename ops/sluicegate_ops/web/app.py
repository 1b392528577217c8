"""The two ASGI apps: their routes, and how each kind of refusal is answered.

Starlette is small, typed and well maintained, leaves the raw body alone (a signature covers its
bytes) and validates nothing by itself. A framework that reads bodies into models would parse them
before their signature is checked, and answer errors in a shape of its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route

from sluicegate.urls import short_links_path

from . import openapi
from .bulk import BulkRoute
from .campaign_routes import CampaignRoutes
from .event_routes import EventRoutes
from .health import HealthRoutes
from .links import LinkRoutes
from .lookups import LookupRoute
from .messages import AT_ONCE, MessageRoutes
from .peers import Proxies
from .problems import HttpProblem, refuse, refuse_fault, refuse_route
from .requests import KINDS
from .site import Site
from .threshold import Threshold
from .turns import Turns
from .webhooks import WebhookRoutes

HEALTH_CONNECTIONS: Final = 64
HEALTH_CONNECTIONS_PER_ADDRESS: Final = 16

_REFUSALS: Final[Mapping[Any, Any]] = {
    HttpProblem: refuse,
    HTTPException: refuse_route,
    Exception: refuse_fault,
}


def make_app(site: Site) -> Starlette:
    """The app for the provider and for apps; it opens its site at the start, and closes it."""

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncIterator[None]:
        async with site:
            yield
            campaigns.close()

    web, webhooks, turns = site.config.web, WebhookRoutes(site), Turns(AT_ONCE)
    messages, bulk = MessageRoutes(site, turns), BulkRoute(site, turns)
    lookups, campaigns = LookupRoute(site, turns), CampaignRoutes(site)
    threshold = Middleware(
        Threshold,
        most=web.connections,
        most_of_one=web.connections_per_address,
        most_body_bytes=web.max_body_bytes,
        proxies=Proxies(web.proxies),
    )
    routes = [
        Route("/receipts/{account}/{id}/{mac}", webhooks.of_message, methods=["POST"]),
        Route("/receipts/{account}", webhooks.of_profile, methods=["POST"]),
        Route("/v2/messages", messages.post, methods=["POST"]),
        Route("/v2/messages/bulk", bulk.post, methods=["POST"]),
        *(
            Route(f"/v2/messages/{name}", messages.of_kind(kind), methods=["POST"])
            for name, kind in KINDS.items()
        ),
        Route("/v2/messages/{id}", messages.get, methods=["GET"]),
        Route("/v2/messages/{id}", messages.delete, methods=["DELETE"]),
        Route("/v2/number_lookup/{number}", lookups.get, methods=["GET"]),
        Route("/v2/events", EventRoutes(site).get, methods=["GET"]),
        *campaigns.routes(),
        Route("/openapi.json", openapi.get, methods=["GET"]),
    ]
    if web.short_links:  # behind all others: its pattern holds any name
        within = short_links_path(web.short_links)
        links = LinkRoutes(site)
        routes.append(Route(f"{within}/{{link}}", links.follow, methods=["GET", "HEAD"]))
    return _app(routes, threshold, lifespan=opened)


def make_health_app(site: Site) -> Starlette:
    """The app for monitoring, on a site that ``make_app``'s opens."""
    health = HealthRoutes(site)
    threshold = Middleware(
        Threshold,
        most=HEALTH_CONNECTIONS,
        most_of_one=HEALTH_CONNECTIONS_PER_ADDRESS,
        most_body_bytes=0,
    )
    routes = [
        Route("/healthz", health.alive, methods=["GET"]),
        Route("/readyz", health.ready, methods=["GET"]),
        Route("/metrics", health.metrics, methods=["GET"]),
    ]
    return _app(routes, threshold)


def _app(routes: list[Route], threshold: Middleware, **options: Any) -> Starlette:
    app = Starlette(routes=routes, middleware=[threshold], exception_handlers=_REFUSALS, **options)
    app.router.redirect_slashes = False  # the provider takes a redirect for a failure
    return app
