"""`--seed FILE`: products, prices, coupons, customers and endpoints, there from the start under fixed ids.

The file is JSON: Stripe's own parameters, and an `id` wherever one is wanted.

    {"key": "sk_test_mine",
     "products": [{"id": "prod_tea", "name": "Tea"}],
     "prices": [{"id": "price_tea", "product": "prod_tea", "currency": "usd", "unit_amount": 900}],
     "webhook_endpoints": [
       {"url": "http://127.0.0.1:8000/hook", "enabled_events": ["*"], "secret": "whsec_mine"}]}

Several accounts are a list of such objects. What is there already stays as it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stripe_sandbox.box import Box, quiet
from stripe_sandbox.command.client import flat
from stripe_sandbox.core import ids
from stripe_sandbox.core.errors import StripeError
from stripe_sandbox.server import forms
from stripe_sandbox.server.keys import KEY
from stripe_sandbox.server.routes import ROUTES, Call

Json = dict[str, Any]
#: (Kind, prefix of its ids), in this order, since later ones name earlier ones.
KINDS = {
    "products": ("product", "prod"),
    "prices": ("price", "price"),
    "coupons": ("coupon", ""),
    "promotion_codes": ("promotion_code", "promo"),
    "tax_rates": ("tax_rate", "txr"),
    "customers": ("customer", "cus"),
    "webhook_endpoints": ("webhook_endpoint", "we"),
}
OTHERS = ("key", "api_version")


class BadSeed(ValueError):
    """The file cannot be used; the message says where and why."""


def plant(box: Box, file: Path) -> int:
    """Make what the file has and the box has not; how many objects that were. All or nothing; BadSeed. Events
    are made too, but no endpoint hears of them."""
    accounts = _read(file)
    token = quiet.set(True)
    try:
        with box.store.transaction():
            return sum(_account(box, account, f"{file}: ") for account in accounts)
    finally:
        quiet.reset(token)


def _read(file: Path) -> list[Json]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSeed(f"{file}: {error.strerror}.") from error
    except ValueError as error:
        raise BadSeed(f"{file} is no JSON: {error}.") from error
    accounts = found if isinstance(found, list) else [found]
    for account in accounts:
        if not isinstance(account, dict):
            raise BadSeed(f"{file}: an account is an object with its key, such as {{'key': 'sk_test_mine'}}.")
        unknown = sorted(account.keys() - {*KINDS, *OTHERS})
        if unknown:
            raise BadSeed(f"{file}: {unknown[0]} is not known; known are {', '.join((*OTHERS, *KINDS))}.")
    return accounts


def _account(box: Box, seed: Json, where: str) -> int:
    key = KEY.fullmatch(str(seed.get("key", "")))
    if not key or key[1] == "pk":
        raise BadSeed(f"{where}key is the account's secret key, such as sk_test_mine.")
    version = seed.get("api_version")
    if version is not None:
        if not forms.is_version(str(version)):
            raise BadSeed(f"{where}api_version is a date, such as 2022-11-15.")
        box.set_version(key[2], version)
    made = 0
    for kind in KINDS:
        objects = seed.get(kind, [])
        if not isinstance(objects, list) or not all(isinstance(obj, dict) for obj in objects):
            raise BadSeed(f"{where}{kind} is a list of objects.")
        for index, params in enumerate(objects):
            try:
                made += _object(box, key[2], kind, dict(params))
            except StripeError as error:
                raise BadSeed(f"{where}{kind}[{index}]: {error.message}") from error
    return made


def _object(box: Box, account: str, kind: str, params: Json) -> bool:
    of, prefix = KINDS[kind]
    id = params.get("id")
    if isinstance(id, str) and box.store.get(account, of, id) is not None:
        return False
    path = f"/v1/{kind}"
    secret = params.pop("secret", None) if of == "webhook_endpoint" else None
    if isinstance(id, str) and "id" not in forms.methods()[f"POST {path}"]["properties"]:
        del params["id"]
    checked = forms.check("POST", path, forms.decode(flat(params)))
    with ids.given(prefix, id if isinstance(id, str) else None):
        obj = ROUTES["POST", path].handler(box, account, checked, Call("req_seed", "POST", path, path))
    if secret:
        kept = box.store.get(account, of, obj["id"]) or obj
        box.store.save(account, {**kept, "_secrets": [{"secret": str(secret), "until": None}]})
    return True
