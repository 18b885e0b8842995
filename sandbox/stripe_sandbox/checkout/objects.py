"""The Checkout Session object without its sums: what was asked for, and what is always so in the sandbox."""

from __future__ import annotations

import re

from stripe_sandbox.checkout import automatic_tax, collecting
from stripe_sandbox.core import ids
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.payment_intents.objects import payment_method_options
from stripe_sandbox.server.routes import Params, new_metadata

KIND = "checkout.session"
ITEM = "item"
BRANDING = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#0074d4",
    "display_name": "Local sandbox",
    "font_family": "default",
    "icon": None,
    "logo": None,
}
# Kept and shown as they came, null where they didn't.
ECHOED = (
    "allow_promotion_codes allowed_payment_method_types billing_address_collection cancel_url "
    "client_reference_id customer customer_email integration_identifier locale origin_context "
    "shipping_address_collection submit_type success_url wallet_options"
).split()
# Fields of features that the sandbox doesn't have, or of things that have not happened yet.
EMPTY = (
    "after_expiration client_secret collected_information currency_conversion "
    "customer_account customer_details invoice optional_items payment_intent payment_link "
    "payment_method_configuration_details permissions recovered_from saved_payment_method_options "
    "setup_intent shipping_cost subscription"
).split()
SESSION_ID = re.compile(r"\{CHECKOUT_SESSION_ID\}|%7BCHECKOUT_SESSION_ID%7D", re.IGNORECASE)
TEXTS = ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")


def new_session(params: Params) -> Obj:
    """An open session of checked `params`; its id, sums and times are still to come."""
    asked = collecting.asked_consent(params.get("consent_collection"))
    session: Obj = {
        "object": KIND,
        **dict.fromkeys(EMPTY),
        **{name: params.get(name) for name in ECHOED},
        "adaptive_pricing": {"enabled": (params.get("adaptive_pricing") or {}).get("enabled", True)},
        "automatic_tax": automatic_tax.new(params),
        "branding_settings": {**BRANDING, **_kept(params.get("branding_settings"), BRANDING)},
        "consent": dict.fromkeys(("promotions", "terms_of_service")) if asked else None,
        "consent_collection": asked,
        "custom_fields": collecting.fields(params.get("custom_fields") or []),
        "custom_text": {name: (params.get("custom_text") or {}).get(name) for name in TEXTS},
        "customer_creation": None if "customer" in params else params.get("customer_creation", "if_required"),
        "excluded_payment_method_types": params.get("excluded_payment_method_types") or [],
        "invoice_creation": _invoice_creation(),
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": new_metadata(params),
        "mode": params["mode"],
        "name_collection": {},
        "payment_method_collection": params.get("payment_method_collection", "if_required"),
        "payment_method_options": _card_options(params),
        "payment_status": "unpaid",
        "phone_number_collection": params.get("phone_number_collection") or {"enabled": False},
        "shipping_options": [],
        "status": "open",
        "tax_id_collection": {"enabled": False, "required": "never"},
        "ui_mode": params.get("ui_mode", "hosted_page"),
    }
    if session["ui_mode"] != "hosted_page":
        session["redirect_on_completion"] = params.get("redirect_on_completion", "always")
        if "return_url" in params:
            session["return_url"] = params["return_url"]
    if "customer_email" in params:
        session["customer_details"] = customer_details(email=params["customer_email"])
    return session


def name_session(session: Obj, base_url: str) -> None:
    """Its id, and what a browser finds it by: an address, or a secret for the shop's own page."""
    session["id"] = id = ids.new("cs_test")
    if session["ui_mode"] == "hosted_page":
        session["url"] = f"{base_url}/c/pay/{id}"
    else:
        session |= {"url": None, "client_secret": f"{id}_secret_{ids.letters(40)}"}


def with_id(url: str, session_id: str) -> str:
    """A success_url, cancel_url or return_url with Stripe's placeholder replaced, url-encoded braces too."""
    return SESSION_ID.sub(session_id, url)


def _kept(given: Params | None, known: Obj) -> Obj:
    return {name: value for name, value in (given or {}).items() if name in known and value is not None}


def _card_options(params: Params) -> Obj:
    card = payment_method_options(params.get("payment_method_options"))["card"]
    return {
        "card": {
            name: card[name] for name in card if name not in ("installments", "mandate_options", "network")
        }
    }


def _invoice_creation() -> Obj:
    nothing = dict.fromkeys(
        ("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options")
    )
    return {"enabled": False, "invoice_data": {**nothing, "metadata": {}}}


def customer_details(
    *,
    email: str | None,
    name: str | None = None,
    phone: str | None = None,
    address: Obj | None = None,
    done: bool = False,
) -> Obj:
    """Who buys: what is known while the session is open, or all that was typed once it is `done`."""
    nowhere = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "address": (address or nowhere) if done else None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": phone,
        "tax_exempt": "none",
        "tax_ids": [] if done else None,
    }
