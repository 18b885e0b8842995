"""Every request and answer of /v1 held against Stripe's OpenAPI spec, while the tests run.

`Checked` is WSGI middleware. Stricter than the spec: a field that the spec doesn't know is a violation, the
object inside an event must fit its own schema, and a request that the sandbox accepted must be one that the
spec allows.
"""

import io
import json
import re
import threading
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jsonschema_rs import Draft202012, Draft202012Validator, Registry, ValidationError, ValidationErrorKind

from sandbox_testing import endive, sdk_schemas

Node = dict[str, Any]
FILE = Path(__file__).parent.parent / "data" / "openapi-2026-08-26.dahlia.json"
PART = re.compile(r"\[([^\[\]]*)\]")
SCHEMAS = "urn:stripe#/$defs/"


@cache
def spec() -> Node:
    return sdk_schemas.apply(endive.apply(json.loads(FILE.read_text(encoding="utf-8"))))


class Checked:
    """`app` with its API watched; what is wrong is appended to `violations` as sentences."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()
        self.violations: list[str] = []
        self.operations: set[tuple[str, str]] = set()

    def __call__(self, environ: Node, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/v1/"):
            answer: Iterable[bytes] = self._app(environ, start_response)
            return answer
        sent = environ["wsgi.input"].read()
        environ["wsgi.input"] = io.BytesIO(sent)
        status: list[int] = []

        def remember(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            status[:] = [int(line.split()[0])]
            return start_response(line, headers, exc_info)

        chunks = self._app(environ, remember)
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        if body:  # an empty one is a connection that a fault has cut
            self._check(environ, sent, status[0], body)
        return [body]

    def _check(self, environ: Node, sent: bytes, status: int, body: bytes) -> None:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].rstrip("/")
        if method == "OPTIONS":
            return
        template = template_of(method, path)
        found = response_violations(method, template, status, json.loads(body))
        if template and status < 300:
            pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
            pairs += parse_qsl(sent.decode(), keep_blank_values=True)
            found += request_violations(method, template, pairs)
        with self._lock:
            self.violations += [f"{method} {path} -> {status}: {sentence}" for sentence in found]
            if template:
                self.operations.add((method, template))


def template_of(method: str, path: str) -> str | None:
    """The spec's path template; None where the spec has no such method."""
    for pattern, template in _templates():
        if pattern.fullmatch(path) and method.lower() in spec()["paths"][template]:
            return template
    return None


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    plainest = sorted(spec()["paths"], key=lambda path: path.count("{"))  # `search` is no customer's id
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in plainest]


# -- answers
# ----------------------------------------------------------------------------------------------------------


def response_violations(method: str, template: str | None, status: int, body: Any) -> list[str]:
    if status >= 300:
        return _complaints(_validator("error"), body)
    if template is None:
        return ["the spec has no such method, and yet it succeeded"]
    return _complaints(_validator(f"{method} {template}"), body) + _inside_events(body)


def object_violations(obj: Any) -> list[str]:
    """A Stripe object (of a webhook, say) against the schema of its kind."""
    return _complaints(_validator(_schema_name(obj)), obj) + _inside_events(obj)


def _schema_name(obj: Any) -> str:
    return {"line_item": "item"}.get(obj["object"], obj["object"])


def _inside_events(body: Any) -> list[str]:
    if not isinstance(body, dict):
        return []
    if body.get("object") == "event":
        inner = body["data"]["object"]
        return [f"{body['type']}: {sentence}" for sentence in object_violations(inner)]
    if body.get("object") == "list":
        return [sentence for item in body["data"] for sentence in _inside_events(item)]
    return []


def _complaints(validator: Draft202012Validator, body: Any) -> list[str]:
    sentences = []
    for error in validator.iter_errors(body):
        deepest = _deepest(error)
        where = "/".join(str(part) for part in deepest.instance_path) or "(all of it)"
        sentences.append(f"{where}: {deepest.message[:300]}")
    return sentences


def _deepest(error: ValidationError) -> ValidationError:
    """Of something that fits none of several schemas: what is wrong by the one that it comes nearest to."""
    kind = error.kind
    if not isinstance(kind, ValidationErrorKind.AnyOf | ValidationErrorKind.OneOfNotValid):
        return error
    inside = [_deepest(one) for branch in kind.context for one in branch]
    deeper = [one for one in inside if len(one.instance_path) > len(error.instance_path)]
    return max(deeper, key=lambda one: len(one.instance_path), default=error)


@cache
def _validator(name: str) -> Draft202012Validator:
    """By schema name, or by `METHOD template` for the answer of a method."""
    if " " not in name:
        return Draft202012Validator({"$ref": f"{SCHEMAS}{name}"}, registry=_registry())
    method, _, template = name.partition(" ")
    answer = spec()["paths"][template][method.lower()]["responses"]["200"]
    return Draft202012Validator(
        _translated(answer["content"]["application/json"]["schema"]), registry=_registry()
    )


@cache
def _registry() -> Registry:
    """All of the spec's schemas under one address, so that no validator has to carry them."""
    schemas = {name: _translated(schema) for name, schema in spec()["components"]["schemas"].items()}
    return Registry([(SCHEMAS.partition("#")[0], {"$defs": schemas})], draft=Draft202012)


def _translated(node: Any) -> Any:
    """OpenAPI 3.0 to JSON Schema: `nullable`, and objects closed to fields that the spec doesn't name."""
    if isinstance(node, list):
        return [_translated(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "x-omitted" in node:
        return {}
    if "$ref" in node:
        return {"$ref": node["$ref"].replace("#/components/schemas/", SCHEMAS)}
    plain = {key: value for key, value in node.items() if key not in ("nullable", "format", "properties")}
    schema = {key: _translated(value) for key, value in plain.items()}
    if "properties" in node:
        schema["properties"] = {name: _translated(child) for name, child in node["properties"].items()}
        schema.setdefault("additionalProperties", False)
    return {"anyOf": [schema, {"type": "null"}]} if node.get("nullable") else schema


# -- requests
# ---------------------------------------------------------------------------------------------------------


def request_violations(method: str, template: str, pairs: list[tuple[str, str]]) -> list[str]:
    """What the spec would not let a client send, from the form as it came (not by the sandbox's own
    decoder)."""
    operation = spec()["paths"][template][method.lower()]
    form = operation.get("requestBody", {}).get("content", {}).get("application/x-www-form-urlencoded", {})
    schema = form.get("schema", {})
    query = {
        item["name"]: item["schema"] for item in operation.get("parameters", []) if item["in"] == "query"
    }
    known = {**query, **schema.get("properties", {})}
    tree = _tree(pairs)
    missing = [f"{name} is required" for name in schema.get("required", []) if name not in tree]
    return missing + [
        sentence for name, value in tree.items() for sentence in _sent(known.get(name), value, name)
    ]


def _tree(pairs: list[tuple[str, str]]) -> Node:
    tree: Node = {}
    for name, value in pairs:
        head, _, rest = name.partition("[")
        keys = [head, *PART.findall("[" + rest)] if rest else [head]
        node = tree
        for place, key in enumerate(keys[:-1]):
            node = node.setdefault(key or _element(node, "][".join(keys[place + 1 :])), {})
        node[keys[-1] or str(len(node))] = value
    return tree


def _element(elements: Node, path: str) -> str:
    """Rack's rule for `[]`: the last element takes what it doesn't have yet; its lists take everything."""
    written = f" {path}]" in _flat(elements.get(str(len(elements) - 1), {}), "")
    return str(max(len(elements) - (not written or "[]" in f"[{path}]"), 0))


def _flat(node: Any, prefix: str) -> str:
    """Every path that leads into a tree, each closed by `]`."""
    if not isinstance(node, dict):
        return ""
    return "".join(f" {prefix}{key}]{_flat(child, f'{prefix}{key}][')}" for key, child in node.items())


def _sent(schema: Node | None, value: Any, path: str) -> list[str]:
    if schema is None:
        return [f"{path} is no parameter"]
    if "anyOf" in schema:
        tried = [_sent(option, value, path) for option in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    kind = schema.get("type")
    if kind == "array":
        if value == "":
            return []
        items = value.values() if isinstance(value, dict) and all(key.isdigit() for key in value) else None
        return (
            [f"{path} is no array"]
            if items is None
            else [s for v in items for s in _sent(schema["items"], v, path)]
        )
    if kind == "object":
        return _sent_object(schema, value, path)
    if isinstance(value, dict):
        return [f"{path} is an object, not {kind}"]
    return _sent_scalar(schema, value, path)


def _sent_object(schema: Node, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    loose = schema.get("additionalProperties")
    properties = schema.get("properties", {})
    missing = [f"{path}[{name}] is required" for name in schema.get("required", []) if name not in value]
    return missing + [
        sentence
        for name, child in value.items()
        for sentence in _sent(properties.get(name, loose or None), child, f"{path}[{name}]")
    ]


def _sent_scalar(schema: Node, value: str, path: str) -> list[str]:
    kind = schema.get("type")
    fits = {"integer": r"-?\d+", "boolean": "[Tt]rue|[Ff]alse", "number": r"-?\d+(\.\d+)?"}.get(
        str(kind), "(?s).*"
    )
    if not re.fullmatch(fits, value):
        return [f"{path} is no {kind}: {value}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{path} can't be {value}"]
    if len(value) > schema.get("maxLength", len(value)):
        return [f"{path} is longer than {schema['maxLength']}"]
    return []
