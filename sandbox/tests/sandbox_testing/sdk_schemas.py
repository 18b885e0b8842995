"""Methods and objects that the trimmed spec file lacks, for the checker: taken from Stripe's own library.

The library's classes say what a field holds and whether it may be null, not which fields are always there.
"""

import ast
from pathlib import Path
from typing import Any

import stripe

from sandbox_testing import endive
from stripe_sandbox.server import sdk_parameters

Node = dict[str, Any]
LIBRARY = Path(stripe.__file__).parent
#: Kind of object: its file and class.
KINDS = {
    "balance": ("_balance", "Balance"),
    "confirmation_token": ("_confirmation_token", "ConfirmationToken"),
    "setup_intent": ("_setup_intent", "SetupIntent"),
    "shipping_rate": ("_shipping_rate", "ShippingRate"),
    "token": ("_token", "Token"),
}
#: What the spec has, the longer name first.
KNOWN = ("payment_method", "payment_intent", "charge", "customer", "price", "product", "account")
PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number"}


def apply(spec: Node) -> Node:
    """Add them to the spec, in place."""
    schemas = spec["components"]["schemas"]
    for kind, (file, name) in KINDS.items():
        tree = ast.parse((LIBRARY / f"{file}.py").read_text(encoding="utf-8"))
        schemas[kind] = _of_class(
            next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
        )
    for method, parameters in sdk_parameters.read(LIBRARY).items():
        verb, _, path = method.partition(" ")
        spec["paths"].setdefault(path, {})[verb.lower()] = _operation(verb, path, parameters)
    card = endive.form(spec["paths"]["/v1/payment_methods"]["post"])["card"]
    setups = [f"/v1/setup_intents{path}" for path in ("", "/{intent}", "/{intent}/confirm")]
    for path in (*setups, "/v1/confirmation_tokens", "/v1/test_helpers/confirmation_tokens"):
        data = endive.form(spec["paths"][path]["post"])["payment_method_data"]["properties"]
        data["card"] = card
        data["type"]["enum"].append("card")
    # What Stripe.js sends along; the library never does.
    endive.form(spec["paths"]["/v1/setup_intents/{intent}/confirm"]["post"])["client_secret"] = {
        "type": "string"
    }
    return spec


def _operation(verb: str, path: str, parameters: Node) -> Node:
    found = path.removesuffix("/search")
    kind = next(kind for kind in (*KINDS, *KNOWN) if kind in found)
    answer: Node = {"$ref": f"#/components/schemas/{kind}"}
    if found != path:
        answer = _found(answer)
    elif verb == "GET" and not path.endswith("}") and path != "/v1/balance":
        answer = _listed(answer)
    form = {"application/x-www-form-urlencoded": {"schema": _opened(parameters)}}
    return {
        "requestBody": {"content": form},
        "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
    }


def _found(item: Node) -> Node:
    """Stripe's search result."""
    listed = _listed(item)
    more: Node = {"next_page": {"nullable": True, "type": "string"}, "total_count": {"type": "integer"}}
    properties = listed["properties"] | more | {"object": {"enum": ["search_result"]}}
    return {**listed, "properties": properties}


def _listed(item: Node) -> Node:
    properties = {
        "object": {"enum": ["list"]},
        "data": {"type": "array", "items": item},
        "has_more": {"type": "boolean"},
        "url": {"type": "string"},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _opened(node: Any) -> Any:
    """Our form of a parameter's schema as OpenAPI writes it."""
    if isinstance(node, list):
        return [_opened(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {"additionalProperties" if name == "map" else name: _opened(child) for name, child in node.items()}


def _of_class(node: ast.ClassDef) -> Node:
    inner = {child.name: child for child in node.body if isinstance(child, ast.ClassDef)}
    properties: Node = {}
    required = []
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
            if name.isupper():  # the class's own
                continue
            properties[name] = _of_kind(line.annotation, inner)
            if not properties[name].get("nullable"):
                required.append(name)
    return {"type": "object", "properties": properties, "required": required}


def _of_kind(node: ast.expr, inner: dict[str, ast.ClassDef]) -> Node:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    text = ast.unparse(node)
    if text in inner:
        return _of_class(inner[text])
    if text in PLAIN:
        return {"type": PLAIN[text]}
    if not isinstance(node, ast.Subscript):
        return {"x-omitted": text}
    outer = ast.unparse(node.value)
    if outer == "Optional":
        return {**_of_kind(node.slice, inner), "nullable": True}
    if outer == "Literal":
        values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return {"enum": [ast.literal_eval(value) for value in values]}
    if outer == "List":
        return {"type": "array", "items": _of_kind(node.slice, inner)}
    if outer == "Union":
        assert isinstance(node.slice, ast.Tuple)
        return _of_kind(node.slice.elts[0], inner)
    if outer == "UntypedStripeObject":
        return {"type": "object", "additionalProperties": {"type": "string"}}
    return {"anyOf": [{"type": "string"}, {"type": "object"}]}  # an id, or its object
