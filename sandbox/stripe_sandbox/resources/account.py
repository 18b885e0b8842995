"""`GET /v1/account`: whose keys these are. Every key tail is an account of its own, ready to take card
payments. None has connected accounts: there is no Connect."""

from __future__ import annotations

from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.keys import account_id, check_account
from stripe_sandbox.server.routes import Call, Params, route

NAME = "Local sandbox"


def _nothing_due() -> dict[str, Any]:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": [],
        "disabled_reason": None,
        "errors": [],
        "eventually_due": [],
        "past_due": [],
        "pending_verification": [],
    }


def _settings() -> dict[str, Any]:
    return {
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": NAME, "timezone": "Etc/UTC"},
        "payments": {
            "statement_descriptor": "LOCAL SANDBOX",
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
    }


@route("GET", "/v1/accounts")
def list_(box: Box, account: str, params: Params, call: Call) -> Obj:
    return {"object": "list", "data": [], "has_more": False, "url": call.url}


@route("GET", "/v1/accounts/{account}")
def retrieve_by_id(box: Box, account: str, params: Params, call: Call) -> Obj:
    check_account(account, call.arg())
    return retrieve(box, account, params, call)


@route("GET", "/v1/account")
def retrieve(box: Box, account: str, params: Params, call: Call) -> Obj:
    first = box.store.since(account)
    return {
        "id": account_id(account),
        "object": "account",
        "business_profile": {
            "mcc": None,
            "name": NAME,
            "support_address": None,
            "support_email": None,
            "support_phone": None,
            "support_url": None,
            "url": None,
        },
        "business_type": None,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "US",
        "created": first if first is not None else box.clock.now(),
        "default_currency": "usd",
        "details_submitted": True,
        "email": None,
        "future_requirements": _nothing_due(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _nothing_due(),
        "settings": _settings(),
        "type": "standard",
    }
