"""`POST /v1/checkout/sessions`: what is asked for is checked, and the session built.

What Stripe can do and the sandbox cannot (subscriptions, invoices, business names, ...) is refused
in a sentence that says so, never quietly ignored.
"""

from __future__ import annotations

from dataclasses import asdict

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import amounts, automatic_tax, discounts, objects, setup, shipping
from stripe_sandbox.checkout.lines import resolve
from stripe_sandbox.checkout.objects import ECHOED
from stripe_sandbox.core import errors, urls
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources import customers
from stripe_sandbox.resources.customers import EMAIL
from stripe_sandbox.resources.payment_intents import objects as intents
from stripe_sandbox.resources.payment_intents import offered
from stripe_sandbox.rules.countries import country
from stripe_sandbox.server.routes import Call, Params
from stripe_sandbox.versions.translate import is_before

SHORTEST, LONGEST = 30 * 60, 24 * 3600
UNDERSTOOD = {
    *ECHOED,
    *"adaptive_pricing automatic_tax branding_settings currency".split(),
    *"customer_creation discounts excluded_payment_method_types expires_at invoice_creation".split(),
    *"line_items managed_payments metadata mode name_collection payment_intent_data".split(),
    *"payment_method_collection payment_method_options phone_number_collection tax_id_collection".split(),
    *"custom_text shipping_address_collection shipping_options ui_mode".split(),
    *"consent_collection custom_fields customer_update redirect_on_completion return_url".split(),
    "setup_intent_data",
}
# Understood as long as they are switched off.
SWITCHES = (
    "invoice_creation",
    "managed_payments",
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
    session = objects.new_session(params) | {
        "created": now,
        "expires_at": expires_at,
        "_base_url": call.base_url,
        "_customer_update": params.get("customer_update"),
        "_due": expires_at,
        "_intent_data": params.get("payment_intent_data") or {},
    }
    objects.name_session(session, call.base_url)
    if params["mode"] == "setup":
        setup.begin(box, account, session, params)
        box.store.insert(account, session)
        return session
    items = _price(box, account, session, params)
    capture = session["_intent_data"].get("capture_method")
    session["payment_method_types"] = offered.types(box, session, capture, "Checkout Session")
    box.store.insert(account, session)
    # Lists are newest first, so the first line goes in last and comes out first.
    for item in reversed(items):
        box.store.insert(account, {**item, "_session": session["id"]})
    if is_before(call.version, "2022-08-01"):
        # Later versions make the intent when the buyer first tries to pay.
        make_intent(box, account, session)
    return session


def make_intent(box: Box, account: str, session: Obj) -> Obj:
    """The PaymentIntent of a session, kept in both."""
    params = {
        **session["_intent_data"],
        "amount": session["amount_total"],
        "allowed_payment_method_types": session["allowed_payment_method_types"],
        "currency": session["currency"],
        "customer": session["customer"],
        "excluded_payment_method_types": session["excluded_payment_method_types"] or None,
        "payment_method_options": session["payment_method_options"],
    }
    intent = intents.build(box, account, params, session=session["id"])
    session["payment_intent"] = intent["id"]
    box.store.save(account, session)
    return intent


def _price(box: Box, account: str, session: Obj, params: Params) -> list[Obj]:
    """Resolve the lines, the shipping and the discount, and write the sums into the session; its items."""
    lines = resolve(box, account, params.get("line_items") or [])
    currency = lines[0].price["currency"]
    if params.get("currency", currency) != currency:
        raise errors.invalid(
            f"The currency {params['currency']} does not match the line items' currency, {currency}.",
            param="currency",
        )
    options = shipping.resolve(box, account, params.get("shipping_options") or [], currency)
    session["shipping_options"] = options
    session["shipping_cost"] = shipping.cost(options[0]) if options else None
    taxes_itself = session["automatic_tax"]["enabled"]
    if taxes_itself:
        automatic_tax.check_lines(lines)
        _know_place(box, account, session)
    if taxes_itself or session["allow_promotion_codes"] or any(line.adjustable for line in lines):
        session["_lines"] = [asdict(line) for line in lines]
    applied = discounts.resolve(box, account, params, currency)
    return amounts.write(box, account, session, lines, applied, params)


def _know_place(box: Box, account: str, session: Obj) -> None:
    """A Customer whose address is known is taxed at once."""
    known = customers.find(box, account, session["customer"]) if session["customer"] else {}
    if ((known.get("shipping") or {}).get("address") or known.get("address") or {}).get("country"):
        session["automatic_tax"]["status"] = "complete"


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
    _check_shipping(params)
    _check_urls(params)
    _check_customer(box, account, params)
    _check_intent_data(params.get("payment_intent_data") or {})
    offered.check(params)


def _check_mode(params: Params) -> None:
    if "mode" not in params:
        raise errors.missing_param("mode")
    if params["mode"] not in ("payment", "setup"):
        raise _unsupported(f"mode={params['mode']}", param="mode")
    if params.get("ui_mode", "hosted_page") not in ("hosted_page", "embedded_page"):
        raise _unsupported(f"ui_mode={params['ui_mode']}", param="ui_mode")
    setup.check(params)


def _unsupported(what: str, param: str | None = None) -> errors.StripeError:
    return errors.invalid(
        f"The local sandbox does not have {what} of Checkout Sessions, though Stripe does.",
        code="sandbox_not_supported",
        param=param or what,
    )


def _check_urls(params: Params) -> None:
    embedded = params.get("ui_mode") == "embedded_page"
    needed = "return_url" if embedded else "success_url"
    comes_back = params.get("redirect_on_completion") != "never"
    if needed not in params and comes_back:
        raise errors.missing_param(needed)
    wrong = ("success_url", "cancel_url") if embedded else ("return_url", "redirect_on_completion")
    for name in (*wrong, *(() if comes_back else ("return_url",))):
        if name in params:
            raise errors.invalid(
                f"You can not pass `{name}` with `ui_mode: {params.get('ui_mode', 'hosted_page')}`"
                f"{'' if comes_back else ' and `redirect_on_completion: never`'}.",
                param=name,
            )
    for name in ("success_url", "cancel_url", "return_url"):
        if params.get(name) is not None and not urls.is_web(params[name]):
            raise errors.invalid("Not a valid URL", code="url_invalid", param=name)


def _check_customer(box: Box, account: str, params: Params) -> None:
    if "customer" in params and "customer_email" in params:
        raise errors.invalid("You may only specify one of these parameters: customer, customer_email.")
    if "customer" in params:
        customers.find(box, account, params["customer"], "customer", status=400)
        if "customer_creation" in params:
            raise errors.invalid("You may only specify one of these parameters: customer, customer_creation.")
    elif "customer_update" in params:
        raise errors.invalid("`customer_update` can only be used with `customer`.", param="customer_update")
    email = params.get("customer_email")
    if email is not None and not EMAIL.fullmatch(email):
        raise errors.invalid(f"Invalid email address: {email}", code="email_invalid", param="customer_email")


def _check_shipping(params: Params) -> None:
    collected = params.get("shipping_address_collection")
    for index, place in enumerate((collected or {}).get("allowed_countries", ())):
        country(place, f"shipping_address_collection[allowed_countries][{index}]")
    if collected and not collected["allowed_countries"]:
        raise errors.missing_param("shipping_address_collection[allowed_countries]")


def _check_intent_data(given: Params) -> None:
    if "statement_descriptor" in given:
        raise errors.invalid(
            "The `statement_descriptor` parameter is not supported for card charges; use "
            "`statement_descriptor_suffix`.",
            param="payment_intent_data[statement_descriptor]",
        )
    for name in sorted(given.keys() - set(INTENT_DATA)):
        raise _unsupported(f"payment_intent_data[{name}]")


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
