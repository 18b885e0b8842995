"""`stripe-sandbox trigger EVENT`: the real chain of objects and events that ends in that event.

Nothing is faked: a session is made and paid as a buyer would, a card declines, a bank disputes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stripe_sandbox.command.client import Client, Json, SandboxError

GOOD, DECLINED, CHALLENGED = "4242424242424242", "4000000000000002", "4000002760003184"
BUYER = {"email": "jenny.rosen@example.com", "name": "Jenny Rosen"}
BACK = "https://example.com/"
LINE = {
    "quantity": 1,
    "price_data": {"currency": "usd", "unit_amount": 2000, "product_data": {"name": "T-shirt"}},
}
#: What the caller sets with --set goes into the first object of a chain.
Params = dict[str, Any]
Chain = Callable[[Client, Params], Any]


def session(client: Client, given: Params, **more: Any) -> Json:
    order = {"mode": "payment", "success_url": BACK, "cancel_url": BACK, "line_items": [LINE]}
    return client.post("checkout/sessions", **{**order, **more, **given})


def paid_session(client: Client, given: Params) -> None:
    made = session(client, given)
    client.control("POST", f"sessions/{made['id']}/pay", card=GOOD, **BUYER)


def expired_session(client: Client, given: Params) -> None:
    client.post(f"checkout/sessions/{session(client, given)['id']}/expire")


def delayed_session(outcome: str) -> Chain:
    """Paid by direct debit: completed but unpaid, and decided later."""

    def chain(client: Client, given: Params) -> None:
        before = client.control("GET", "settings")
        client.control("PUT", "settings", delayed_methods=True)
        try:
            line = {**LINE, "price_data": {**LINE["price_data"], "currency": "eur"}}  # type: ignore[dict-item]
            made = session(client, given, line_items=[line])
            client.control("POST", f"sessions/{made['id']}/pay", delayed="succeeds", **BUYER)
            client.control("POST", f"sessions/{made['id']}/settle", outcome=outcome)
        finally:
            client.control("PUT", "settings", delayed_methods=before["delayed_methods"])

    return chain


def intent(client: Client, given: Params, **more: Any) -> Json:
    never = {"enabled": True, "allow_redirects": "never"}
    order = {"amount": 2000, "currency": "usd", "automatic_payment_methods": never}
    return client.post("payment_intents", **{**order, **more, **given})


def paid(card: str, **more: Any) -> Chain:
    """An intent, and the try to pay it with a card."""

    def chain(client: Client, given: Params) -> Json:
        made = intent(client, given, **more)
        client.control("POST", f"intents/{made['id']}/pay", card=card, **BUYER)
        return client.get(f"payment_intents/{made['id']}")

    return chain


def captured(client: Client, given: Params) -> None:
    client.post(f"payment_intents/{paid(GOOD, capture_method='manual')(client, given)['id']}/capture")


def canceled(client: Client, given: Params) -> None:
    client.post(f"payment_intents/{intent(client, given)['id']}/cancel")


def refunded(card: str, wait: int = 0) -> Chain:
    """A payment that is refunded; some test cards decide later, when the clock has moved."""

    def chain(client: Client, given: Params) -> None:
        refund = client.post("refunds", payment_intent=paid(card)(client, {})["id"], **given)
        if wait:
            client.control("POST", "clock/advance", seconds=wait)
        else:
            client.post(f"refunds/{refund['id']}", metadata={"seen": "yes"})

    return chain


def disputed(verdict: str | None = None) -> Chain:
    def chain(client: Client, given: Params) -> None:
        made = paid(GOOD)(client, given)
        dispute = client.control("POST", f"charges/{made['latest_charge']}/dispute")
        client.post(f"disputes/{dispute['id']}", metadata={"seen": "yes"})
        if verdict:
            client.control("POST", f"disputes/{dispute['id']}/close", status=verdict)

    return chain


def edited(path: str, change: Params, **params: Any) -> Chain:
    """Something of the catalogue, made and changed."""

    def chain(client: Client, given: Params) -> Json:
        made = client.post(path, **{**params, **given})
        return client.post(f"{path}/{made['id']}", **change)

    return chain


def deleted(path: str, **params: Any) -> Chain:
    def chain(client: Client, given: Params) -> None:
        client.delete(f"{path}/{client.post(path, **{**params, **given})['id']}")

    return chain


def price(client: Client, given: Params) -> None:
    made = client.post(
        "prices", **{"currency": "usd", "unit_amount": 2000, "product_data": {"name": "T-shirt"}, **given}
    )
    client.post(f"prices/{made['id']}", nickname="Summer")


def promotion_code(client: Client, given: Params) -> None:
    coupon = client.post("coupons", percent_off=10, duration="once")
    promotion = {"type": "coupon", "coupon": coupon["id"]}
    made = client.post("promotion_codes", **{"promotion": promotion, **given})
    client.post(f"promotion_codes/{made['id']}", active=False)


def saved_card(card: str, *, detached: bool = False) -> Chain:
    """A card saved for a new customer by a SetupIntent."""

    def chain(client: Client, given: Params) -> None:
        customer = client.post("customers", **BUYER)
        try:
            made = client.post(
                "setup_intents",
                **{
                    "customer": customer["id"],
                    "payment_method": card,
                    "confirm": True,
                    "return_url": BACK,
                    **given,
                },
            )
        except SandboxError as error:
            if error.code != "card_declined":
                raise
            return
        if detached:
            client.post(f"payment_methods/{made['payment_method']}/detach")

    return chain


def canceled_setup(client: Client, given: Params) -> None:
    client.post(f"setup_intents/{client.post('setup_intents', **given)['id']}/cancel")


#: By the event that a chain ends in, or that comes on its way.
EVENTS: dict[str, Chain] = {
    "charge.captured": captured,
    "charge.dispute.closed": disputed("won"),
    "charge.dispute.created": disputed(),
    "charge.dispute.funds_reinstated": disputed("won"),
    "charge.dispute.funds_withdrawn": disputed(),
    "charge.dispute.updated": disputed(),
    "charge.failed": paid(DECLINED),
    "charge.refunded": refunded(GOOD),
    "charge.succeeded": paid(GOOD),
    "checkout.session.async_payment_failed": delayed_session("failed"),
    "checkout.session.async_payment_succeeded": delayed_session("succeeded"),
    "checkout.session.completed": paid_session,
    "checkout.session.expired": expired_session,
    "coupon.created": edited("coupons", {"name": "Summer"}, percent_off=10, duration="once"),
    "coupon.deleted": deleted("coupons", percent_off=10, duration="once"),
    "coupon.updated": edited("coupons", {"name": "Summer"}, percent_off=10, duration="once"),
    "customer.created": edited("customers", {"name": "Jenny"}, **BUYER),
    "customer.deleted": deleted("customers", **BUYER),
    "customer.updated": edited("customers", {"name": "Jenny"}, **BUYER),
    "payment_intent.amount_capturable_updated": paid(GOOD, capture_method="manual"),
    "payment_intent.canceled": canceled,
    "payment_intent.created": intent,
    "payment_intent.payment_failed": paid(DECLINED),
    "payment_intent.processing": delayed_session("succeeded"),
    "payment_intent.requires_action": paid(CHALLENGED),
    "payment_intent.succeeded": paid(GOOD),
    "payment_method.attached": saved_card("pm_card_visa"),
    "payment_method.detached": saved_card("pm_card_visa", detached=True),
    "price.created": price,
    "price.updated": price,
    "product.created": edited("products", {"name": "Shirt"}, name="T-shirt"),
    "product.deleted": deleted("products", name="T-shirt"),
    "product.updated": edited("products", {"name": "Shirt"}, name="T-shirt"),
    "promotion_code.created": promotion_code,
    "promotion_code.updated": promotion_code,
    "refund.created": refunded(GOOD),
    "refund.failed": refunded("4000000000005126", wait=86_400),
    "refund.updated": refunded(GOOD),
    "setup_intent.canceled": canceled_setup,
    "setup_intent.created": saved_card("pm_card_visa"),
    "setup_intent.requires_action": saved_card("pm_card_authenticationRequired"),
    "setup_intent.setup_failed": saved_card("pm_card_chargeDeclined"),
    "setup_intent.succeeded": saved_card("pm_card_visa"),
    "tax_rate.created": edited(
        "tax_rates", {"active": False}, display_name="VAT", percentage=20, inclusive=False
    ),
    "tax_rate.updated": edited(
        "tax_rates", {"active": False}, display_name="VAT", percentage=20, inclusive=False
    ),
}


def trigger(client: Client, name: str, given: Params) -> list[Json]:
    """Run the chain of an event; all the events that it made, oldest first."""
    newest = client.get("events", limit=1)["data"]
    EVENTS[name](client, given)
    after = {"ending_before": newest[0]["id"]} if newest else {}
    made: list[Json] = client.get("events", limit=100, **after)["data"]
    return made[::-1]
