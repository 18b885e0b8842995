"""`POST /v1/checkout/sessions`: what is asked for is checked, and the session built.

What Stripe can do and the sandbox cannot (subscriptions, shipping, custom fields, Stripe Tax, ...) is refused
in a sentence that says so, never quietly ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import amounts, checkout_discounts, checkout_lines, customers, errors, ids
from .customers import EMAIL
from .intent_objects import OFFERED, payment_method_options
from .routes import Call, Params
from .store import Obj

if TYPE_CHECKING:
    from .box import Box

KIND = "checkout.session"
SHORTEST, LONGEST = 30 * 60, 24 * 3600
BRANDING = {
    "background_color": "#ffffff",
    "border_style": "rounded",
    "button_color": "#0074d4",
    "display_name": "Local sandbox",
    "font_family": "default",
    "icon": None,
    "logo": None,
}
# Kept and shown as they came; they change nothing in the sandbox.
ECHOED: dict[str, Any] = {
    "billing_address_collection": None,
    "cancel_url": None,
    "client_reference_id": None,
    "customer_email": None,
    "integration_identifier": None,
    "locale": None,
    "origin_context": None,
    "submit_type": None,
    "success_url": None,
    "allow_promotion_codes": None,
}
UNDERSTOOD = {
    *ECHOED,
    *"adaptive_pricing allowed_payment_method_types automatic_tax branding_settings currency".split(),
    *"customer customer_creation discounts excluded_payment_method_types expires_at invoice_creation".split(),
    *"line_items managed_payments metadata mode name_collection payment_intent_data".split(),
    *"payment_method_collection payment_method_options phone_number_collection tax_id_collection".split(),
    *"ui_mode wallet_options".split(),
}
# Understood as long as they are switched off.
SWITCHES = (
    "automatic_tax",
    "invoice_creation",
    "managed_payments",
    "phone_number_collection",
    "tax_id_collection",
)
INTENT_DATA = (
    "capture_method description metadata receipt_email setup_future_usage shipping "
    "statement_descriptor_suffix transfer_group"
).split()


def build(box: Box, account: str, params: Params, call: Call) -> Obj:
    """The new session with its items, kept. Raises StripeError as Stripe refuses."""
    _check(box, account, params)
    now = box.clock.now()
    expires_at = _expiry(params.get("expires_at"), now, now - box.clock.offset())
    lines = checkout_lines.resolve(box, account, params.get("line_items") or [])
    currency = lines[0].price["currency"]
    if params.get("currency", currency) != currency:
        raise errors.invalid(
            f"The currency {params['currency']} does not match the line items' currency, {currency}.",
            param="currency",
        )
    applied = checkout_discounts.resolve(box, account, params, currency)
    id = ids.new("cs_test")
    discount = applied.discount_object(id, now, params.get("customer")) if applied else None
    priced = checkout_lines.price(lines, applied, discount, box.faults.rounding)
    if applied:
        bought = [line.product["id"] for line in lines]
        checkout_discounts.check_fits(box, account, applied, bought, priced.subtotal, currency, params)
    amounts.check_session_total(priced.total, currency)
    session = {
        **_settings(params),
        "id": id,
        "amount_subtotal": priced.subtotal,
        "amount_total": priced.total,
        "created": now,
        "currency": currency,
        "discounts": _discounts(applied),
        "expires_at": expires_at,
        "total_details": {
            "amount_discount": priced.discount,
            "amount_shipping": 0,
            "amount_tax": priced.tax,
            "+breakdown": priced.breakdown,
        },
        "url": f"{call.base_url}/c/pay/{id}",
        "_base_url": call.base_url,
        "_intent_data": {
            name: value
            for name, value in (params.get("payment_intent_data") or {}).items()
            if name in INTENT_DATA
        },
    }
    box.store.insert(account, session)
    # Lists are newest first, so the first line goes in last and comes out first.
    for item in reversed(priced.items):
        box.store.insert(account, {**item, "_session": id})
    return session


def _discounts(applied: checkout_discounts.Applied | None) -> list[Obj]:
    if applied is None:
        return []
    code = applied.promotion_code
    return [{"coupon": applied.coupon["id"], "promotion_code": code["id"] if code else None}]


def _settings(params: Params) -> Obj:
    """All of a new session that doesn't come from its lines."""
    return {
        "object": KIND,
        "adaptive_pricing": {"enabled": (params.get("adaptive_pricing") or {}).get("enabled", True)},
        "after_expiration": None,
        "allowed_payment_method_types": params.get("allowed_payment_method_types"),
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "branding_settings": {**BRANDING, **_kept(params.get("branding_settings"), BRANDING)},
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": params.get("customer"),
        "customer_account": None,
        "customer_creation": None if "customer" in params else params.get("customer_creation", "if_required"),
        "customer_details": customer_details(email=params["customer_email"])
        if "customer_email" in params
        else None,
        "excluded_payment_method_types": params.get("excluded_payment_method_types") or [],
        "invoice": None,
        "invoice_creation": _invoice_creation(),
        "livemode": False,
        "managed_payments": {"enabled": False},
        "metadata": params.get("metadata") or {},
        "mode": "payment",
        "name_collection": {},
        "optional_items": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": params.get("payment_method_collection", "if_required"),
        "payment_method_configuration_details": None,
        "payment_method_options": _card_options(params),
        "payment_method_types": list(OFFERED),
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "tax_id_collection": {"enabled": False, "required": "never"},
        "ui_mode": "hosted_page",
        "wallet_options": params.get("wallet_options"),
        **{name: params.get(name, default) for name, default in ECHOED.items()},
    }


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


def customer_details(*, email: str | None, name: str | None = None, done: bool = False) -> Obj:
    """Who buys: what is known while the session is open, or all that was typed once it is `done`."""
    nowhere = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {
        "address": nowhere if done else None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": name,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": [] if done else None,
    }


def _check(box: Box, account: str, params: Params) -> None:
    _check_mode(params)
    unknown = sorted(params.keys() - UNDERSTOOD)
    if unknown:
        raise _unsupported(unknown[0])
    for name in SWITCHES:
        if (params.get(name) or {}).get("enabled"):
            raise _unsupported(f"{name}[enabled]=true", param=f"{name}[enabled]")
    for kind in ("business", "individual"):
        if ((params.get("name_collection") or {}).get(kind) or {}).get("enabled"):
            raise _unsupported("name_collection", param=f"name_collection[{kind}][enabled]")
    _check_urls(params)
    _check_customer(box, account, params)
    _check_intent_data(params.get("payment_intent_data") or {})
    check_offered(params, "Checkout Session")


def _check_mode(params: Params) -> None:
    if "mode" not in params:
        raise errors.missing_param("mode")
    if params["mode"] != "payment":
        raise _unsupported(f"mode={params['mode']}", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise _unsupported(f"ui_mode={params['ui_mode']}", param="ui_mode")


def _unsupported(what: str, param: str | None = None) -> errors.StripeError:
    return errors.invalid(
        f"The local sandbox does not have {what} of Checkout Sessions, though Stripe does.",
        code="sandbox_not_supported",
        param=param or what,
    )


def _check_urls(params: Params) -> None:
    if "success_url" not in params:
        raise errors.missing_param("success_url")
    for name in ("success_url", "cancel_url"):
        if params.get(name) is None:
            continue
        parts = urlsplit(params[name])
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or any(mark.isspace() for mark in params[name])
        ):
            raise errors.invalid("Not a valid URL", code="url_invalid", param=name)


def _check_customer(box: Box, account: str, params: Params) -> None:
    if "customer" in params and "customer_email" in params:
        raise errors.invalid("You may only specify one of these parameters: customer, customer_email.")
    if "customer" in params:
        customers.find(box, account, params["customer"], "customer", status=400)
        if "customer_creation" in params:
            raise errors.invalid("You may only specify one of these parameters: customer, customer_creation.")
    email = params.get("customer_email")
    if email is not None and not EMAIL.fullmatch(email):
        raise errors.invalid(f"Invalid email address: {email}", code="email_invalid", param="customer_email")


def _check_intent_data(given: Params) -> None:
    if "statement_descriptor" in given:
        raise errors.invalid(
            "The `statement_descriptor` parameter is not supported for card charges; use "
            "`statement_descriptor_suffix`.",
            param="payment_intent_data[statement_descriptor]",
        )
    for name in sorted(given.keys() - set(INTENT_DATA)):
        raise _unsupported(f"payment_intent_data[{name}]")


def check_offered(params: Params, noun: str) -> None:
    """Refuse filters that leave no payment method; the sandbox's account offers cards."""
    allowed = params.get("allowed_payment_method_types")
    excluded = params.get("excluded_payment_method_types") or []
    if allowed is not None and excluded:
        raise errors.invalid(
            "You may only specify one of these parameters: allowed_payment_method_types, "
            "excluded_payment_method_types."
        )
    if (allowed and "card" not in allowed) or "card" in excluded:
        raise errors.invalid(
            f"No valid payment method types for this {noun}. Please ensure that you have activated payment "
            "methods compatible with your chosen currency in your dashboard "
            "(https://dashboard.stripe.com/settings/payment_methods). (The local sandbox offers cards only.)",
            param="allowed_payment_method_types" if allowed else "excluded_payment_method_types",
        )


def _expiry(wanted: int | None, now: int, real: int) -> int:
    """When the session ends. A caller counts by its own clock, so where the sandbox's has been advanced
    (`real` is the time without that) what fits the real time is moved along."""
    if wanted is None:
        return now + LONGEST
    if not SHORTEST <= wanted - now <= LONGEST and SHORTEST <= wanted - real <= LONGEST:
        wanted += now - real
    if wanted - now < SHORTEST:
        raise errors.invalid(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
            param="expires_at",
        )
    if wanted - now > LONGEST:
        raise errors.invalid(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
            param="expires_at",
        )
    return wanted
