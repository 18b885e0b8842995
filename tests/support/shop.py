"""What nearly every test of the shop needs: an item, Stripe's side of it, a signature of Stripe's."""

from typing import Any

import requests
import stripe

from kopeck.catalog.models import Item, ShippingRate
from kopeck.stripe_api.accounts import SANDBOX_SECRET_KEY
from stripe_sandbox.box import Box

WEBHOOK_SECRET = "whsec_tests"
#: The window of a budget in tests, in seconds: windows begin by the clock, and this one ends in 2038.
LONG_WINDOW = 2**31


def make_item(**facts: Any) -> Item:
    """An item on sale; `facts` replace the usual ones."""
    usual = {"name": "Moka pot", "description": "For three cups.", "price": 4820, "currency": "usd"}
    return Item.objects.create(**(usual | facts))


def make_rate(**facts: Any) -> ShippingRate:
    """A shipping rate of 4.90 USD to everywhere; `facts` replace the usual ones."""
    return ShippingRate.objects.create(**({"name": "Standard delivery", "amount": 490} | facts))


class ShopSandbox:
    """What the tests do at Stripe's side: pay, look at the ledger, deliver events."""

    def __init__(self, url: str, box: Box) -> None:
        self.url, self.box = url, box
        self.stripe = stripe.StripeClient(
            SANDBOX_SECRET_KEY,
            base_addresses={"api": url},
            http_client=stripe.RequestsClient(timeout=120),
        )

    def sessions(self) -> list[Any]:
        return list(self.stripe.v1.checkout.sessions.list({"limit": 100}).auto_paging_iter())

    def events(self) -> list[dict[str, Any]]:
        """Oldest first, as plain dicts."""
        found = self.stripe.v1.events.list({"limit": 100}).auto_paging_iter()
        return [event.to_dict(for_json=True) for event in reversed(list(found))]

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = requests.request(method, f"{self.url}/_sandbox/{path}", json=body, timeout=120)
        if answer.status_code >= 500:
            raise AssertionError(answer.text)
        return answer.json()

    def pay(self, stripe_id: str, card: str = "4242424242424242", *, delayed: str = "", **more: Any) -> Any:
        """A session or an intent, by card or by a bank that takes its time (`delayed="succeeds"`)."""
        kind = "sessions" if stripe_id.startswith("cs_") else "intents"
        means = {"delayed": delayed} if delayed else {"card": card}
        return self.control("POST", f"{kind}/{stripe_id}/pay", {**means, **more})

    def charges(self) -> list[Any]:
        return list(self.stripe.v1.charges.list({"limit": 100}).auto_paging_iter())


def sign(body: str, secret: str = WEBHOOK_SECRET, *, timestamp: int | None = None) -> str:
    """The Stripe-Signature header, made by the library's own routine."""
    return stripe.WebhookSignature.generate_signature_header(body, secret, timestamp=timestamp)
