"""The ASGI app: every route, and how what they refuse is answered.

Starlette and uvicorn, because both are small, typed and well kept, leave the raw body alone (a
signature is over its bytes) and validate nothing behind our back: a framework that reads bodies
into models would parse before a signature is checked, and answer in a shape of its own.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Route

from .health import Health
from .messages import Messages
from .problems import Problem, refuse, refuse_fault, refuse_route
from .site import Site
from .webhooks import WebhookRoutes


def make_app(site: Site) -> Starlette:
    """The app over one site, which it opens when it starts and closes when it ends."""

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncIterator[None]:
        async with site:
            yield

    messages, webhooks, health = Messages(site), WebhookRoutes(site), Health(site)
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
            Problem: refuse,
            HTTPException: refuse_route,
            Exception: refuse_fault,
        },
        lifespan=opened,
    )
    app.router.redirect_slashes = False  # the provider takes a redirect for a failure
    return app
