"""What the hosted page shows of a session: its context, its language, the examples that a chip fills in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from babel import Locale
from flask import request, url_for
from werkzeug.wrappers import Response as AnyResponse

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import automatic_tax, shipping
from stripe_sandbox.checkout.buyer import EMAIL, NAME, PHONE, Buyer, complete, countries, needs_card
from stripe_sandbox.checkout.objects import with_id
from stripe_sandbox.checkout.pages.chips import CHIPS, DEBIT_CHIPS, EXPIRY
from stripe_sandbox.checkout.pages.form import OWN, PARTS, PayForm, asked_by
from stripe_sandbox.checkout.pages.frame import page
from stripe_sandbox.checkout.pages.summary import summarize
from stripe_sandbox.checkout.pages.words import Say, words
from stripe_sandbox.core.store import Obj
from stripe_sandbox.resources.account import NAME as MERCHANT
from stripe_sandbox.rules.countries import COUNTRIES
from stripe_sandbox.rules.money import choose_locale, format_amount

VERBS = {"book": "Book", "donate": "Donate", "subscribe": "Subscribe"}


def show(box: Box, account: str, session: Obj, form: PayForm, status: int) -> AnyResponse:
    """The page of an open session."""
    locale = locale_of(session)
    say = words(locale)
    summary = summarize(session, locale, lambda kind, id: box.store.get(account, kind, id))
    return page(
        "checkout.html",
        status,
        locale=locale,
        merchant=merchant(session),
        cancel_url=with_id(session.get("cancel_url") or "", session["id"]),
        summary=summary,
        form=form,
        email_fixed=bool(known_email(session)),
        chips=CHIPS,
        debit_chips=DEBIT_CHIPS,
        expiry=EXPIRY,
        methods=session["payment_method_types"] if needs_card(session) else [],
        asked=asked_by(session),
        own_fields=[(OWN + own["key"], own, own[own["type"]]) for own in session["custom_fields"]],
        samples=samples(session),
        places={
            "shipping": named_countries(countries(session), locale),
            "billing": named_countries(COUNTRIES, locale),
        },
        rates=_rates(box, account, session, locale),
        texts=session["custom_text"],
        takes_codes=bool(session["allow_promotion_codes"]),
        wrong=request.args,
        addresses={
            name: url_for(f"pages.{name}", session_id=session["id"])
            for name in ("pay", "place", "promotion", "quantity", "shipping")
        },
        submit_text=submit_text(session, summary.total, say),
        saves=session["mode"] == "setup",
        embedded=session["ui_mode"] != "hosted_page",
        tax_waits=automatic_tax.waits(session),
    )


def over(session: Obj, back: str | None) -> AnyResponse:
    """A session that is complete or expired: what happened, and the way back to the shop."""
    name = merchant(session)
    locale = locale_of(session)
    say = words(locale)
    done = session["status"] == "complete"
    if done and session["payment_status"] == "unpaid":
        title, sentence = "Your payment is being processed", "{name} will hear as soon as it is through."
    elif done and session["mode"] == "setup":
        title, sentence = "Your card is saved", "{name} can charge it from now on."
    elif done:
        title, sentence = "You have paid", "This payment is done. It can't be paid twice."
    else:
        title = "This page has expired"
        sentence = "The time to pay is over and nothing was charged. Go back to {name} and start again."
    cancel = with_id(session.get("cancel_url") or "", session["id"])
    return page(
        "state.html",
        200,
        tone="good" if done else "wait",
        locale=locale,
        session_status=session["status"],
        title=say(title),
        sentence=say(sentence, name=name),
        link=(back or "") if done else cancel,
        link_text=say("Back to {name}", name=name),
        embedded=session["ui_mode"] != "hosted_page",
    )


def unknown() -> AnyResponse:
    """An address of no session."""
    return page(
        "state.html",
        404,
        tone="bad",
        session_status="unknown",
        title="There is no such payment",
        sentence="The sandbox doesn't know this address. Go back to the shop and start again.",
        link="",
        link_text="",
    )


def named_countries(places: Iterable[str], locale: Locale) -> list[tuple[str, str]]:
    """(code, name) of countries by their names in the page's language."""
    named = [(place, locale.territories.get(place, place)) for place in places]
    return sorted(named, key=lambda pair: pair[1])


def _rates(box: Box, account: str, session: Obj, locale: Locale) -> list[tuple[str, str, str]]:
    """(id, name, price) of the ways of shipping that can be chosen."""
    if len(session["shipping_options"]) < 2:
        return []
    return [
        (
            rate["id"],
            rate["display_name"],
            format_amount(rate["fixed_amount"]["amount"], session["currency"], locale),
        )
        for rate in shipping.offered(box, account, session)
    ]


def submit_text(session: Obj, total: str, say: Say) -> str:
    """What the button says: the session's submit_type, and the sum where one is due."""
    if session["mode"] == "setup":
        return say("Save card")
    if session["amount_total"] == 0:
        return say("Complete order")
    return f"{say(VERBS.get(session.get('submit_type') or 'pay', 'Pay'))} {total}"


def locale_of(session: Obj) -> Locale:
    """The session's own, or what the visitor's browser asks for."""
    return choose_locale(session.get("locale"), request.accept_languages.values())


def samples(session: Obj) -> dict[str, str]:
    """What a test chip fills in besides the card: an example for every input that the form has."""
    example = {"email": EMAIL, "billingName": NAME, "phoneNumber": PHONE, "shippingName": NAME}
    home = complete(session, Buyer())
    for whose, found in (("shipping", (home.shipping or {}).get("address")), ("billing", home.address)):
        example |= {f"{whose}{end}": (found or {}).get(part) or "" for end, part in PARTS.items()}
    return example | {OWN + key: text for key, text in home.custom.items()} | {"termsOfService": "on"}


def defaults(session: Obj) -> dict[str, str]:
    """What stands in the form before anybody has typed."""
    known = {OWN + own["key"]: own[own["type"]]["default_value"] or "" for own in session["custom_fields"]}
    if session["shipping_cost"]:
        known["shippingRate"] = session["shipping_cost"]["shipping_rate"]
    if "sameAddress" in asked_by(session):
        known["sameAddress"] = "on"
    return known | {"email": known_email(session)}


def known_email(session: dict[str, Any]) -> str:
    """The e-mail the merchant has given, which the buyer can't change: customer_email, or the Customer's."""
    details = session.get("customer_details") or {}
    return str(session.get("customer_email") or details.get("email") or "")


def merchant(session: dict[str, Any]) -> str:
    """The shop's name: the session's own `branding_settings[display_name]`, else that of the account."""
    branding = session.get("branding_settings") or {}
    return str(branding.get("display_name") or MERCHANT)
