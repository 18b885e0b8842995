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
    session = form(paths["/v1/checkout/sessions"]["post"])
    # Removed from create params; a filter of the same sense is new.
    del session["payment_method_types"]
    session["allowed_payment_method_types"] = TYPES
    for path in INTENT_POSTS:
        sent = form(paths[path]["post"])
        sent.pop("payment_method_types", None)
        sent["allowed_payment_method_types"] = TYPES
        sent["excluded_payment_method_types"] = TYPES
    session["excluded_payment_method_types"] = TYPES
    # New values of known parameters.
    session["ui_mode"]["enum"].append("form")
    session["locale"]["enum"].append("hi-IN")
    schemas["checkout.session"]["properties"]["ui_mode"]["enum"].append("form")
    for path in ("/v1/webhook_endpoints", "/v1/webhook_endpoints/{webhook_endpoint}"):
        version = form(paths[path]["post"]).get("api_version")
        if version:
            version["enum"] += ["2026-09-30.endive", "2026-10-28.endive"]
    # The new filter is shown as well.
    shown = {**TYPES, "nullable": True}
    schemas["checkout.session"]["properties"]["allowed_payment_method_types"] = shown
    # Session update takes payment_intent_data now (for ui_mode elements).
    update = form(paths["/v1/checkout/sessions/{session}"]["post"])
    update["payment_intent_data"] = session["payment_intent_data"]
    # Cards by number or token are taken wherever a PaymentMethod is made (docs.stripe.com/testing).
    card = form(paths["/v1/payment_methods"]["post"])["card"]
    for path in INTENT_POSTS:
        data = form(paths[path]["post"])["payment_method_data"]["properties"]
        data["card"] = card
        data["type"]["enum"].append("card")
    # The library has it, the public file leaves it out.
    for kind in ("payment_intent", "charge"):
        schemas[kind]["properties"]["source"] = {"nullable": True, "type": "string"}
    return spec


def form(operation: Node) -> Node:
    """The parameters of a POST, by name."""
    schema = operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    properties: Node = schema["properties"]
    return properties
