"""What the contract tests ask of Stripe and of the sandbox alike."""

import secrets
from collections.abc import Callable
from typing import Any

import pytest
import stripe

Client = stripe.StripeClient


def refusal(ask: Callable[[], Any]) -> dict[str, Any]:
    """Stripe's error as its JSON tells it."""
    with pytest.raises(stripe.StripeError) as caught:
        ask()
    body: dict[str, Any] = dict(caught.value.json_body["error"])
    return body | {"status": caught.value.http_status}


def unique() -> Any:
    return {"idempotency_key": secrets.token_hex(12)}


def intent(client: Client, method: str, **more: Any) -> Any:
    params: Any = {"amount": 1000, "currency": "usd", "payment_method": method, "confirm": True, **more}
    return client.v1.payment_intents.create({"allowed_payment_method_types": ["card"], **params})
