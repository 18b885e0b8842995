"""Cut the request parameters out of Stripe's OpenAPI file, with endive's differences, into `parameters.json`.

    python -m stripe_sandbox.server.spec_parameters SPEC.json FOLDER_OF_THE_STRIPE_LIBRARY

The library has the parameters of methods that the file lacks (`sdk_parameters.py`). Source of the difference:
stripe-python 16.1.0 (API 2026-10-28.endive) against the spec of 2026-08-26.dahlia.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from stripe_sandbox.server import sdk_parameters

Node = dict[str, Any]
#: Text that a shop keeps at Stripe and may take away again with an empty value, though the spec does not say
#: so: wherever an answer shows null while it is not set. Ids, amounts and URLs cannot be unset.
UNSET = frozenset(
    "carrier city country description email line1 line2 name nickname phone postal_code receipt_email state "
    "tracking_number".split()
)
MADE_WITH = {"payment_intent_data": "payment_intent", "payment_method_data": "payment_method"}
KEPT = ("type", "enum", "maxLength", "format", "required")
TARGET = Path(__file__).with_name("parameters.json")


def compact(node: Node) -> Node:
    """A schema without prose, and without the length limit that nearly every string has (5000)."""
    kept: Node = {key: node[key] for key in KEPT if key in node}
    if kept.get("maxLength") == 5000:
        del kept["maxLength"]
    if "properties" in node:
        kept["properties"] = {name: compact(child) for name, child in node["properties"].items()}
    if "items" in node:
        kept["items"] = compact(node["items"])
    if "anyOf" in node:
        kept["anyOf"] = [compact(child) for child in node["anyOf"]]
    if isinstance(node.get("additionalProperties"), dict):
        kept["map"] = compact(node["additionalProperties"])
    return kept


def of_method(operation: Node) -> Node:
    query = [parameter for parameter in operation.get("parameters", []) if parameter["in"] == "query"]
    form = operation.get("requestBody", {}).get("content", {})
    body = form.get("application/x-www-form-urlencoded", {}).get("schema", {})
    properties = {parameter["name"]: compact(parameter["schema"]) for parameter in query}
    properties |= compact(body).get("properties", {})
    required = [parameter["name"] for parameter in query if parameter.get("required")]
    return {"type": "object", "properties": properties, "required": required + body.get("required", [])}


def apply_endive(methods: dict[str, Node]) -> None:
    """What the next release train changed in the parameters that a shop sends."""
    types = {"type": "array", "items": {"type": "string"}}
    session = methods["POST /v1/checkout/sessions"]["properties"]
    session["ui_mode"]["enum"].append("form")
    session["locale"]["enum"].append("hi-IN")
    methods["POST /v1/checkout/sessions/{session}"]["properties"]["payment_intent_data"] = session[
        "payment_intent_data"
    ]
    intents = [
        methods[f"POST /v1/payment_intents{end}"]["properties"]
        for end in ("", "/{intent}", "/{intent}/confirm")
    ]
    for properties in (session, *intents):
        # forms.REMOVED answers those who still send it.
        properties.pop("payment_method_types", None)
        properties["allowed_payment_method_types"] = types
        properties["excluded_payment_method_types"] = types
    for end in ("", "/{webhook_endpoint}"):
        version = methods[f"POST /v1/webhook_endpoints{end}"]["properties"].get("api_version")
        if version:
            version["enum"] += ["2026-09-30.endive", "2026-10-28.endive"]


def mark_unset(node: Node, answer: Node, schemas: Node) -> None:
    """Write `"unset"` at the strings of UNSET that `answer` (a schema of the spec) shows as null."""
    if "$ref" in answer:
        answer = schemas[answer["$ref"].rpartition("/")[2]]
    if "anyOf" in answer and "properties" not in answer:
        for option in answer["anyOf"]:
            mark_unset(node, option, schemas)
        return
    for option in node.get("anyOf", []):
        mark_unset(option, answer, schemas)
    for name, shown in answer.get("properties", {}).items():
        child = node.get("properties", {}).get(name)
        if child is None:
            continue
        if name in UNSET and child.get("type") == "string" and "enum" not in child:
            if shown.get("nullable"):
                child["unset"] = True
        elif child.get("type") == "object" or "anyOf" in child:
            mark_unset(child, shown, schemas)


def apply_cards(methods: dict[str, Node]) -> None:
    """Cards by number or token: Stripe takes them wherever a PaymentMethod is made."""
    whole = methods["POST /v1/payment_methods"]["properties"]["card"]
    for method in methods.values():
        data = method["properties"].get("payment_method_data")
        if data and "type" in data["properties"]:
            data["properties"]["card"] = whole
            data["properties"]["type"]["enum"].append("card")


def cut(spec: Node, library: Path) -> dict[str, Node]:
    """`{"POST /v1/refunds": schema of its parameters}` for every method of the spec."""
    methods: dict[str, Node] = {}
    schemas = spec["components"]["schemas"]
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            if method not in ("get", "post", "delete"):
                continue
            node = methods[f"{method.upper()} {path}"] = of_method(operation)
            answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
            if method == "post":
                mark_unset(node, answer, schemas)
                for name, kind in MADE_WITH.items():  # shown in the object that is made along
                    mark_unset(node["properties"].get(name, {}), schemas[kind], schemas)
    apply_endive(methods)
    methods |= sdk_parameters.read(library)
    # What Stripe.js sends along; the library never does.
    methods["POST /v1/setup_intents/{intent}/confirm"]["properties"]["client_secret"] = {"type": "string"}
    apply_cards(methods)
    return methods


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    methods = cut(spec, Path(sys.argv[2]))
    TARGET.write_text(json.dumps(methods, separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
