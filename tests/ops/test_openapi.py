"""The served OpenAPI document: it names every route, and every answer is as it says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from starlette.routing import Route

from sluicegate import Config
from sluicegate.config import App
from sluicegate_ops.web.app import make_app
from sluicegate_ops.web.openapi import document
from sluicegate_ops.web.site import Site
from sluicegate_rigs.embedded import EmbeddedServer
from support.served import ENVIRON, TOKEN, Front, bearer, config, run, serving


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


def test_every_example_is_as_its_schema_says() -> None:
    import jsonschema_rs

    whole, examples = document(), 0

    def media(part: Any) -> Iterator[Any]:
        for value in part.values() if isinstance(part, dict) else part:
            if isinstance(value, dict | list):
                if isinstance(value, dict) and "schema" in value and "example" in value:
                    yield value
                yield from media(value)

    for one in media(whole["paths"]):
        schema = {**one["schema"], "components": whole["components"]}
        jsonschema_rs.validate(schema, one["example"])
        examples += 1
    assert examples > 20


# The document against the server. schemathesis is imported here because it takes a second.


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    """The document, as a real server serves it."""
    import schemathesis

    @schemathesis.serializer("application/x-ndjson")
    def written(context: Any, value: Any) -> bytes:
        rows = value if isinstance(value, list) else [value]
        return b"\n".join(json.dumps(row).encode() for row in rows)

    @schemathesis.deserializer("application/x-ndjson")
    def read(context: Any, response: Any) -> Any:
        return [json.loads(line) for line in response.content.splitlines()]

    shop = App(token_env="TOKEN_SHOP", lookups=True, campaigns=True)
    with EmbeddedServer() as own, serving(config(own.url, apps={"shop": shop})) as (front, _):
        yield schemathesis.openapi.from_url(f"{front}/openapi.json")


def answers_as_documented(api: Any, examples: int) -> None:
    """Ask each operation for what it should take and for what it should not."""
    from schemathesis import GenerationMode
    from schemathesis.checks import positive_data_acceptance
    from schemathesis.specs.openapi.checks import negative_data_rejection

    for operation in (found.ok() for found in api.get_all_operations()):
        # Of a webhook, nothing is wrong by a schema: its signature decides.
        of_apps = operation.path.startswith("/v2/")
        # Whether a text can be sent is more than a schema can say, and a bad line of many is
        # answered in its line.
        in_lines = [negative_data_rejection] if operation.path.endswith("/bulk") else []
        for mode in GenerationMode if of_apps else [GenerationMode.POSITIVE]:
            cases = operation.as_strategy(generation_mode=mode)
            asked(cases, examples, [positive_data_acceptance, *in_lines])


def asked(cases: Any, examples: int, left_out: list[Any]) -> None:
    """Ask an operation for so many of its cases."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def holds(case: Any) -> None:
        case.call_and_validate(headers=bearer(TOKEN), excluded_checks=left_out)

    holds()


def test_answers_are_as_the_document_says(api: Any) -> None:
    answers_as_documented(api, 1)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_many_answers_are_as_the_document_says(api: Any) -> None:
    answers_as_documented(api, 50)
