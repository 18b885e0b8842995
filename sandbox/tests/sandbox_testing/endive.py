"""Where API version 2026-10-28.endive differs from the spec file (2026-08-26.dahlia): the one list of it.

Source: stripe-python 16.1.0, whose types are endive's, against the spec; Stripe's changelog pages for endive.
"""

from typing import Any

Node = dict[str, Any]
TYPES = {"type": "array", "items": {"type": "string"}}
INTENT_POSTS = ("/v1/payment_intents", "/v1/payment_intents/{intent}", "/v1/payment_intents/{intent}/confirm")


def apply(spec: Node) -> Node:
    """Turn the dahlia spec into endive's, in place."""
    paths, schemas = spec["paths"], spec["components"]["schemas"]
    session = _form(paths["/v1/checkout/sessions"]["post"])
    # Removed from create params; a filter of the same sense is new.
    del session["payment_method_types"]
    session["allowed_payment_method_types"] = TYPES
    for path in INTENT_POSTS:
        form = _form(paths[path]["post"])
        form.pop("payment_method_types", None)
        form["allowed_payment_method_types"] = TYPES
        form["excluded_payment_method_types"] = TYPES
    session["excluded_payment_method_types"] = TYPES
    # New values of known parameters.
    session["ui_mode"]["enum"].append("form")
    session["locale"]["enum"].append("hi-IN")
    schemas["checkout.session"]["properties"]["ui_mode"]["enum"].append("form")
    for path in ("/v1/webhook_endpoints", "/v1/webhook_endpoints/{webhook_endpoint}"):
        version = _form(paths[path]["post"]).get("api_version")
        if version:
            version["enum"] += ["2026-09-30.endive", "2026-10-28.endive"]
    # The new filter is shown as well.
    shown = {**TYPES, "nullable": True}
    schemas["checkout.session"]["properties"]["allowed_payment_method_types"] = shown
    # Session update takes payment_intent_data now (for ui_mode elements).
    update = _form(paths["/v1/checkout/sessions/{session}"]["post"])
    update["payment_intent_data"] = session["payment_intent_data"]
    return spec


def _form(operation: Node) -> Node:
    schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    properties: Node = schema["properties"]
    return properties
