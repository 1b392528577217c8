"""The served OpenAPI document: it names every route, and every answer is as it says."""

from collections.abc import Iterator
from typing import Any

from starlette.routing import Route

from sluicegate import Config
from sluicegate_ops.web.app import make_app
from sluicegate_ops.web.openapi import document
from sluicegate_ops.web.site import Site
from support.served import ENVIRON, Front, run


def test_the_document_names_every_route_and_no_other(front: Config) -> None:
    app = make_app(Site(front, ENVIRON))
    routes = [route for route in app.routes if isinstance(route, Route)]
    served = {(route.path, method) for route in routes for method in route.methods or ()}
    paths = document()["paths"]
    named = {(path, method.upper()) for path, found in paths.items() for method in found}
    assert named == {(path, method) for path, method in served if method != "HEAD"}


def test_the_document_is_for_everybody_and_holds_no_secret(front: Config) -> None:
    async def story(door: Front) -> None:
        answer = await door.http.get("/openapi.json")
        assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")
        assert not any(secret in answer.text for secret in ENVIRON.values())

    run(front, story)


def test_every_reference_leads_somewhere() -> None:
    whole = document()

    def references(part: Any) -> Iterator[str]:
        if isinstance(part, dict):
            for name, value in part.items():
                yield from [value] if name == "$ref" else references(value)
        elif isinstance(part, list):
            for value in part:
                yield from references(value)

    for reference in references(whole):
        found = whole
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        assert found
