"""What the sandbox's tests buy and how they pay: session parameters, and a payment through /_sandbox/."""

from typing import Any

import stripe

from sandbox_testing.own import control
from sandbox_testing.server import CheckedSandbox

GOOD = "4242424242424242"
DECLINED = "4000000000000002"
ASKS_FOR_3DS = "4000002760003184"


def line(
    amount: int, *, quantity: int = 1, currency: str = "usd", name: str = "Tea", **more: Any
) -> dict[str, Any]:
    """A line item with an inline price of `amount` minor units; `more` are its other parameters."""
    price = {"currency": currency, "unit_amount": amount, "product_data": {"name": name}}
    return {"quantity": quantity, "price_data": price, **more}


def order(*lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Parameters of a session; one line of 10.00 USD where none is given."""
    return {
        "mode": "payment",
        "success_url": "https://shop.example/paid?session={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://shop.example/cart",
        "line_items": list(lines) or [line(1000)],
        **more,
    }


def open_session(client: stripe.StripeClient, *lines: dict[str, Any], **more: Any) -> Any:
    return client.v1.checkout.sessions.create(order(*lines, **more))  # type: ignore[arg-type]


def pay(sandbox: CheckedSandbox, session_id: str, card: str = GOOD, **more: Any) -> dict[str, Any]:
    """Pay a session as its buyer would; the outcome as /_sandbox/ tells it, or the error of a decline."""
    _, answer = control(sandbox.url, "POST", f"sessions/{session_id}/pay", {"card": card, **more})
    told: dict[str, Any] = answer
    return told


def event_types(client: stripe.StripeClient) -> list[str]:
    """What has happened in this account, oldest first."""
    return [event.type for event in client.v1.events.list({"limit": 100}).data][::-1]
