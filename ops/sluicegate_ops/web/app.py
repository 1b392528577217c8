"""The ASGI app: its routes, and how each kind of refusal is answered.

Starlette and uvicorn are small, typed and well maintained, leave the raw body alone (a signature
covers its bytes) and validate nothing by themselves. A framework that reads bodies into models
would parse them before their signature is checked, and answer errors in a shape of its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from .health import HealthRoutes
from .messages import MessageRoutes
from .problems import HttpProblem, refuse, refuse_fault, refuse_route
from .site import Site
from .webhooks import WebhookRoutes


def make_app(site: Site) -> Starlette:
    """The app over one site, which it opens when it starts and closes when it ends."""

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncIterator[None]:
        async with site:
            yield

    messages, webhooks, health = MessageRoutes(site), WebhookRoutes(site), HealthRoutes(site)
    app = Starlette(
        routes=[
            Route("/receipts/{account}/{id}/{mac}", webhooks.of_message, methods=["POST"]),
            Route("/receipts/{account}", webhooks.of_profile, methods=["POST"]),
            Route("/v2/messages", messages.post, methods=["POST"]),
            Route("/v2/messages/{id}", messages.get, methods=["GET"]),
            Route("/healthz", health.alive, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
            Route("/metrics", health.metrics, methods=["GET"]),
        ],
        exception_handlers={
            HttpProblem: refuse,
            HTTPException: refuse_route,
            Exception: refuse_fault,
        },
        lifespan=opened,
    )
    app.router.redirect_slashes = False  # the provider takes a redirect for a failure
    return app
