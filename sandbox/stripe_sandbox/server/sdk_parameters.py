"""Request parameters of methods that the trimmed OpenAPI file lacks, read out of Stripe's own Python library.

`spec_parameters.py` adds them to `parameters.json`. A file of `stripe/params/` has a TypedDict a method, with
its nested ones below; they are parsed, never imported. They name no limits of length: the default one holds.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

Node = dict[str, Any]
#: By method: the file of `stripe/params/` without `_` and `_params.py`.
METHODS = {
    "GET /v1/accounts": "account_list",
    "GET /v1/accounts/{account}": "account_retrieve",
    "GET /v1/balance": "balance_retrieve",
    "GET /v1/charges/search": "charge_search",
    "GET /v1/confirmation_tokens/{confirmation_token}": "confirmation_token_retrieve",
    "GET /v1/customers/search": "customer_search",
    "GET /v1/customers/{customer}/balance_transactions": "customer_balance_transaction_list",
    "GET /v1/customers/{customer}/sources": "customer_payment_source_list",
    "GET /v1/customers/{customer}/tax_ids": "customer_tax_id_list",
    "GET /v1/products/{product}/features": "product_feature_list",
    "GET /v1/customers/{customer}/payment_methods": "customer_payment_method_list",
    "GET /v1/customers/{customer}/payment_methods/{payment_method}": "customer_payment_method_retrieve",
    "GET /v1/payment_intents/search": "payment_intent_search",
    "GET /v1/prices/search": "price_search",
    "GET /v1/products/search": "product_search",
    "GET /v1/setup_intents": "setup_intent_list",
    "GET /v1/setup_intents/{intent}": "setup_intent_retrieve",
    "GET /v1/shipping_rates": "shipping_rate_list",
    "GET /v1/shipping_rates/{shipping_rate_token}": "shipping_rate_retrieve",
    "GET /v1/tokens/{token}": "token_retrieve",
    # Stripe.js's own way to make one; what the library has for tests takes the same.
    "POST /v1/confirmation_tokens": "test_helpers/confirmation_token_create",
    "POST /v1/setup_intents": "setup_intent_create",
    "POST /v1/setup_intents/{intent}": "setup_intent_update",
    "POST /v1/setup_intents/{intent}/cancel": "setup_intent_cancel",
    "POST /v1/setup_intents/{intent}/confirm": "setup_intent_confirm",
    "POST /v1/shipping_rates": "shipping_rate_create",
    "POST /v1/shipping_rates/{shipping_rate_token}": "shipping_rate_update",
    "POST /v1/test_helpers/confirmation_tokens": "test_helpers/confirmation_token_create",
    "POST /v1/tokens": "token_create",
}
PLAIN = {"str": "string", "int": "integer", "bool": "boolean", "float": "number", "Decimal": "string"}


def read(package: Path) -> dict[str, Node]:
    """`{"POST /v1/setup_intents": schema of its parameters}`; `package` is the folder of the library."""
    found = {}
    for method, name in METHODS.items():
        folder, _, file = name.rpartition("/")
        tree = ast.parse((package / "params" / folder / f"_{file}_params.py").read_text(encoding="utf-8"))
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        found[method] = {"properties": {}, "required": [], **_of_class(next(iter(classes.values())), classes)}
    return found


def _of_class(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Node:
    properties, required = {}, []
    for line in node.body:
        if not isinstance(line, ast.AnnAssign) or not isinstance(line.target, ast.Name):
            continue
        kind = line.annotation
        if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "NotRequired":
            kind = kind.slice
        else:
            required.append(line.target.id)
        properties[line.target.id] = _of_kind(kind, classes)
        if line.target.id == "currency":
            properties["currency"]["format"] = "currency"
    found: Node = {"type": "object", "properties": properties}
    return found | ({"required": required} if required else {})


def _of_kind(node: ast.expr, classes: dict[str, ast.ClassDef]) -> Node:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    name = ast.unparse(node.value) if isinstance(node, ast.Subscript) else ast.unparse(node)
    if name in classes:
        return _of_class(classes[name], classes)
    if name in PLAIN:
        return {"type": PLAIN[name]}
    if isinstance(node, ast.Subscript) and name == "Literal":
        values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return {"type": "string", "enum": [ast.literal_eval(value) for value in values]}
    if isinstance(node, ast.Subscript) and name == "List":
        return {"type": "array", "items": _of_kind(node.slice, classes)}
    if isinstance(node, ast.Subscript) and name == "Dict":
        assert isinstance(node.slice, ast.Tuple)  # noqa: S101 - a mapping has two
        return {"type": "object", "map": _of_kind(node.slice.elts[1], classes)}
    return _of_union(node, classes)


def _of_union(node: ast.expr, classes: dict[str, ast.ClassDef]) -> Node:
    options = [
        _of_kind(option, classes)
        for option in _options(node)
        if "UntypedStripeObject" not in ast.unparse(option)
    ]
    # An enum beside any text is how the library says that values may be added; `''` beside it unsets.
    closed = [option for option in options if option.get("enum") not in (None, [""])]
    if closed:
        options = [option for option in options if option != {"type": "string"}]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _options(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    if isinstance(node, ast.BinOp):
        return _options(node.left) + _options(node.right)
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Union":
        assert isinstance(node.slice, ast.Tuple)  # noqa: S101 - a union has several
        return [inner for option in node.slice.elts for inner in _options(option)]
    return [node]
