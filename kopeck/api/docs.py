"""The page /api/v1/docs: every call of the OpenAPI document with an example, written by the server.

It needs no script and nothing of another host, so it is the same offline and under the shop's CSP.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase

from kopeck.api.access import SCOPE
from kopeck.api.models import Scope
from kopeck.storefront.forms import base_url

#: What stands for the numbers in addresses.
NUMBERS = {"order_id": 42, "item_id": 7}
A_KEY = "5f0c1b1e-8f0e-4a58-9d0a-6a3f1c9f7f2e"
METHODS = ("get", "post", "patch")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    is_required: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One call as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    description: list[str]
    scope: str
    is_for_browsers: bool
    parameters: list[Parameter]
    request: str
    status: str
    answer: str
    refusals: str


class Page(DocsBase):
    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        document = api.get_openapi_schema(path_params=kwargs)
        groups: dict[str, list[Call]] = {}
        for tag, call in _calls(document, base_url(request)):
            groups.setdefault(tag, []).append(call)
        context = {
            "groups": [
                (name, f"group-{number}", calls) for number, (name, calls) in enumerate(groups.items())
            ],
            "scopes": list(Scope),
            "document_url": self.get_openapi_url(api, kwargs),
        }
        answer = render(request, "api/docs.html", context)
        answer["X-Robots-Tag"] = "noindex"
        return answer


def _calls(document: Any, base: str) -> Iterator[tuple[str, Call]]:
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in METHODS:
            if facts := methods.get(method):
                yield facts["tags"][0], _call(method, path, facts, schemas, base)


def _call(method: str, path: str, facts: Any, schemas: Any, base: str) -> Call:
    (status, answer), refusals = _answers(facts)
    body = facts.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    is_open = {} in facts.get("security", [{}])
    return Call(
        id=facts["operationId"].removeprefix("kopeck_api_"),
        method=method.upper(),
        path=path,
        summary=facts["summary"],
        description=[" ".join(part.split()) for part in facts.get("description", "").split("\n\n")],
        scope=facts.get(SCOPE, ""),
        is_for_browsers=is_open,
        parameters=[
            Parameter(one["name"], _kind(one["schema"], schemas), bool(one.get("required")))
            for one in facts["parameters"]
            if one["in"] == "query"
        ],
        request=_curl(method, base + path, example_of(body, schemas) if body else None, facts),
        status=status,
        answer=_written(example_of(answer, schemas)),
        refusals=", ".join(refusals),
    )


def _answers(facts: Any) -> tuple[tuple[str, Any], list[str]]:
    """The status and schema of the good answer, and the statuses of the others."""
    by_status = {str(status): one for status, one in facts["responses"].items()}
    good = next(status for status in by_status if status < "400")
    schema = by_status[good]["content"]["application/json"]["schema"]
    return (good, schema), [status for status in by_status if status >= "400"]


def _curl(method: str, url: str, body: Any, facts: Any) -> str:
    url = re.sub(r"\{(\w+)\}", lambda found: str(NUMBERS[found[1]]), url)
    parts = [f"curl {url}" if method == "get" else f"curl -X {method.upper()} {url}"]
    if facts.get(SCOPE):
        parts.append('-H "Authorization: Bearer kpk_..."')
    if method == "post":
        parts.append(f'-H "Idempotency-Key: {A_KEY}"')
    if body is not None:
        parts += ['-H "Content-Type: application/json"', f"-d '{json.dumps(body, ensure_ascii=False)}'"]
    return " \\\n  ".join(parts)


def _written(example: Any) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)


def _kind(schema: Any, schemas: Any) -> str:
    """What a parameter may be, in OpenAPI's own words."""
    if "$ref" in schema:
        return _kind(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return _kind(next(one for one in schema["anyOf"] if one.get("type") != "null"), schemas)
    return str(schema.get("format") or schema.get("type", ""))


def example_of(schema: Any, schemas: Any) -> Any:
    """An example of what the schema describes, from the examples of its parts.

    Of what is sent only what has an example, or must be there.
    """
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "examples" in schema:
        return schema["examples"][0]
    for several in ("anyOf", "allOf"):
        if several in schema:
            found = [one for one in schema[several] if one.get("type") != "null"]
            return example_of(found[0], schemas)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas)]
    if schema.get("type") == "object":
        needed = schema.get("required", [])
        return {
            name: example_of(part, schemas)
            for name, part in schema.get("properties", {}).items()
            if name in needed or "examples" in part
        }
    return schema.get("default")
