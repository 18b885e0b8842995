"""Request parameters: Stripe's form encoding decoded, then checked against what the method takes.

`parameters.json` (made by `spec_parameters.py`) knows each method's names, types, enums and limits. Texts of
the refusals are Stripe's where they are known. What comes out is typed: int, bool, float, str, list, dict;
None where an empty string unsets a field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from stripe_sandbox.core.errors import StripeError, invalid, missing_param
from stripe_sandbox.rules.currencies import CURRENCIES
from stripe_sandbox.versions.translate import NEWEST, VERSION

Node = dict[str, Any]
PART = re.compile(r"\[([^\[\]]*)\]")
INTEGER = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"-?([0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)")
INDEX = re.compile(r"[0-9]{1,9}")
#: How deep brackets may be nested: Rack's own limit. No parameter of Stripe's comes near.
DEEPEST = 32
DEFAULT_LENGTH = 5000
METADATA = frozenset({"metadata"})
# Gone in endive, though every older integration sends it.
REMOVED = {
    ("payment_intents", "payment_method_types"),
    ("checkout", "payment_method_types"),
}


@cache
def methods() -> dict[str, Node]:
    """`{"POST /v1/refunds": schema of its parameters}`."""
    path = Path(__file__).with_name("parameters.json")
    return json.loads(path.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def is_version(text: str) -> bool:
    """Whether Stripe has an API version of that name: the date of a release, with its own name, with none, or
    with `preview`. One later than the sandbox's newest may be there; it is answered as the newest."""
    if not VERSION.fullmatch(text):
        return False
    date, _, name = text.partition(".")
    known = methods()["POST /v1/webhook_endpoints"]["properties"]["api_version"]["enum"]
    named = any(one == text or (one[:10] == date and name in ("", "preview")) for one in known)
    return named or date > NEWEST[:10]


def decode(pairs: Iterable[tuple[str, str]]) -> Node:
    """`a[b][0]=c` pairs -> nested dicts of strings; arrays stay dicts of index -> value until `check` knows
    better."""
    tree: Node = {}
    for name, value in pairs:
        head, bracket, rest = name.partition("[")
        keys = [head, *PART.findall(bracket + rest)]
        if len(keys) > DEEPEST:
            message = (
                f"Invalid request: parameter names may be nested {DEEPEST} levels deep, not {len(keys)}."
            )
            raise invalid(message, stored=False)
        if bracket and head + "".join(f"[{key}]" for key in keys[1:]) != name:
            raise invalid(
                f"Invalid request (check that your parameter names are well formed: {name})", stored=False
            )
        _put(tree, keys, value, name)
    return tree


def _put(tree: Node, keys: list[str], value: str, name: str) -> None:
    for place, key in enumerate(keys[:-1]):
        if key == "":
            key = _appended(tree, keys[place + 1 :])
        child = tree.setdefault(key, {})
        if not isinstance(child, dict):
            raise invalid(f"Invalid request: {name} is given both as a value and as an object.", stored=False)
        tree = child
    last = keys[-1] if keys[-1] != "" else str(len(tree))
    if isinstance(tree.get(last), dict):
        raise invalid(f"Invalid request: {name} is given both as a value and as an object.", stored=False)
    tree[last] = value


def _appended(tree: Node, path: list[str]) -> str:
    """Which element of `tree` an `a[][b][c]` belongs to: as Rack reads it, a new one begins where the last
    one has that whole path already. `a[][x]=1&a[][y][z]=2&a[][y][w]=3&a[][x]=4` is two elements."""
    latest = tree.get(str(len(tree) - 1))
    if isinstance(latest, dict) and not _has(latest, path):
        return str(len(tree) - 1)
    return str(len(tree))


def _has(tree: Node, path: list[str]) -> bool:
    if "" in path:  # a list inside the element grows
        return False
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return False
        tree = tree[key]
    return True


def check(method: str, template: str, raw: Node) -> Node:
    """The typed parameters of a call. Raises StripeError (400) as Stripe refuses; never stored for
    idempotency."""
    schema = methods().get(f"{method} {template}", {"type": "object", "properties": {}, "required": []})
    try:
        for resource, name in REMOVED:
            if name in raw and f"/v1/{resource}" in template and method == "POST":
                raise _removed(name)
        value: Node = _object(schema, raw, "")
        return value
    except StripeError as error:
        error.stored = False
        raise


def _removed(name: str) -> StripeError:
    return invalid(
        f"The {name} parameter is no longer supported. Use allowed_payment_method_types or "
        "excluded_payment_method_types to filter payment methods, or manage them in your Dashboard.",
        code=f"{name}_no_longer_supported",
        param=name,
    )


def _object(node: Node, raw: Node, path: str) -> Node:
    properties = node["properties"]
    unknown = [_join(path, name) for name in raw if name not in properties]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid(
            f"Received unknown parameter{plural}: {', '.join(unknown)}",
            code="parameter_unknown",
            param=unknown[0],
        )
    for name in node.get("required", ()):
        if name not in raw:
            raise missing_param(_join(path, name))
    return {name: _value(properties[name], value, _join(path, name)) for name, value in raw.items()}


def _value(node: Node, raw: str | Node, path: str) -> Any:
    if "anyOf" in node:
        return _any_of(node["anyOf"], raw, path)
    kind = node.get("type", "string")
    if kind == "object" and "map" in node:
        return _map(node["map"], raw, path)
    if kind == "object":
        if not isinstance(raw, dict):
            raise invalid("Invalid object", param=path)
        return _object({"properties": {}, **node}, raw, path)
    if kind == "array":
        return _array(node["items"], raw, path)
    if isinstance(raw, dict):
        written = json.dumps(raw, separators=(",", ":"), ensure_ascii=False)
        raise invalid(f"Invalid {kind}: {written}", param=path)
    return _scalar(node, kind, raw, path)


def _any_of(options: list[Node], raw: str | Node, path: str) -> Any:
    unsettable = any("" in option.get("enum", ()) for option in options)
    if raw == "" and unsettable:
        return None
    options = [option for option in options if option.get("enum") != [""]]
    nested = [option for option in options if option.get("type") in ("object", "array") or "anyOf" in option]
    flat = [option for option in options if option not in nested]
    fitting = (nested if isinstance(raw, dict) else flat) or options
    if not fitting:
        raise invalid("Invalid value", param=path)
    if isinstance(raw, dict):  # of several objects the one that knows most of what is given
        fitting.sort(key=lambda option: len(raw.keys() - option.get("properties", raw).keys()))
    return _value(fitting[0], raw, path)


def _array(items: Node, raw: str | Node, path: str) -> list[Any]:
    if raw == "":
        return []
    if not isinstance(raw, dict) or not all(map(INDEX.fullmatch, raw)):
        raise invalid("Invalid array", param=path)
    ordered = sorted(raw.items(), key=lambda pair: int(pair[0]))
    return [_value(items, value, f"{path}[{index}]") for index, (_, value) in enumerate(ordered)]


def _map(values: Node, raw: str | Node, path: str) -> Node | None:
    if raw == "":
        return None
    if not isinstance(raw, dict):
        raise invalid("Invalid object", param=path)
    if path.rpartition("[")[2].rstrip("]") in METADATA:
        return _metadata(raw, path)
    return {key: _value(values, value, _join(path, key)) for key, value in raw.items()}


def _metadata(raw: Node, path: str) -> Node:
    if len(raw) > 50:
        raise invalid(f"You can only have up to 50 metadata keys, but you passed {len(raw)}.", param=path)
    for key, value in raw.items():
        if isinstance(value, dict):
            raise invalid("Invalid metadata: values must be strings, not objects.", param=_join(path, key))
        if len(key) > 40:
            raise invalid(
                f"Metadata keys can have up to 40 characters, but you passed in a key that is {len(key)} "
                f"characters. Invalid key: {key}",
                param=path,
            )
        if len(value) > 500:
            raise invalid(
                "Metadata values can have up to 500 characters, but you passed in a value that is "
                f"{len(value)} characters. Invalid value: {value}",
                param=_join(path, key),
            )
    return raw


def _scalar(node: Node, kind: str, raw: str, path: str) -> Any:
    if raw == "" and node.get("unset"):
        return None
    if raw == "" and "" not in node.get("enum", ()):
        raise invalid(
            f"You passed an empty string for '{path}'. We assume empty values are an attempt to unset a "
            f"field; however '{path}' cannot be unset. You should remove '{path}' from your request or "
            "supply a non-empty value.",
            code="parameter_invalid_empty",
            param=path,
        )
    if kind == "integer":
        if not INTEGER.fullmatch(raw):
            raise invalid(f"Invalid integer: {raw}", code="parameter_invalid_integer", param=path)
        return int(raw)
    if kind == "boolean":
        # Python's own spelling is what the stripe library of Python sent until 2025.
        if raw not in ("true", "false", "True", "False"):
            raise invalid(f"Invalid boolean: {raw}", param=path)
        return raw.lower() == "true"
    if kind == "number":
        if not NUMBER.fullmatch(raw):
            raise invalid(f"Invalid decimal: {raw}; must be a valid decimal number", param=path)
        return float(raw)
    return _string(node, raw, path)


def _string(node: Node, raw: str, path: str) -> str:
    limit = node.get("maxLength", DEFAULT_LENGTH)
    if len(raw) > limit:
        raise invalid(
            f"Invalid string: {raw[:12]}...{raw[-12:]}; must be at most {limit} characters",
            code="parameter_invalid_string",
            param=path,
        )
    if node.get("format") == "currency":
        return currency(raw, path)
    choices = node.get("enum")
    if choices and raw not in choices:
        named = f"{', '.join(choices[:-1])}, or {choices[-1]}" if len(choices) > 1 else choices[0]
        raise invalid(f"Invalid {path}: must be one of {named}", param=path)
    return raw


def currency(raw: str, param: str) -> str:
    """The lower-case code, or Stripe's refusal."""
    if raw.lower() not in CURRENCIES:
        known = ", ".join(sorted(CURRENCIES))
        raise invalid(
            f"Invalid currency: {raw}. Stripe currently supports these currencies: {known}", param=param
        )
    return raw.lower()


def _join(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
