"""The library's asynchronous side, over httpx, against the same sandbox."""

import asyncio
from typing import Any

import pytest
import stripe

from sandbox_testing.orders import order
from sandbox_testing.server import CheckedSandbox

# The library passes its form to httpx by a name that httpx has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def run(sandbox: CheckedSandbox, account: str, work: Any) -> Any:
    """Await `work(client)` with an asynchronous client that is closed afterwards."""

    async def main() -> Any:
        http = stripe.HTTPXClient()
        client = stripe.StripeClient(
            f"sk_test_{account}", base_addresses={"api": sandbox.url}, http_client=http
        )
        try:
            return await work(client)
        finally:
            await http.close_async()

    return asyncio.run(main())


def test_a_session_is_made_and_read_and_expired(sandbox: CheckedSandbox, account: str) -> None:
    async def work(client: stripe.StripeClient) -> list[str | None]:
        sessions = client.v1.checkout.sessions
        made = await sessions.create_async(order())  # type: ignore[arg-type]
        read = await sessions.retrieve_async(made.id)
        ended = await sessions.expire_async(made.id)
        return [made.id, read.id, ended.status]

    made, read, ended = run(sandbox, account, work)
    assert (made, ended) == (read, "expired")


def test_many_calls_run_at_once(sandbox: CheckedSandbox, account: str) -> None:
    async def work(client: stripe.StripeClient) -> Any:
        calls = [client.v1.customers.create_async({"name": f"Buyer {number}"}) for number in range(10)]
        made = {customer.id for customer in await asyncio.gather(*calls)}
        listed = await client.v1.customers.list_async({"limit": 4})
        return made, {customer.id async for customer in listed.auto_paging_iter()}

    made, listed = run(sandbox, account, work)
    assert len(made) == 10
    assert made == listed


def test_a_declined_card_is_a_card_error(sandbox: CheckedSandbox, account: str) -> None:
    async def work(client: stripe.StripeClient) -> None:
        intent: Any = {
            "amount": 1000,
            "currency": "usd",
            "confirm": True,
            "payment_method": "pm_card_visa_chargeDeclined",
            "allowed_payment_method_types": ["card"],
        }
        await client.v1.payment_intents.create_async(intent)

    with pytest.raises(stripe.CardError) as caught:
        run(sandbox, account, work)
    assert caught.value.code == "card_declined"


def test_the_same_key_finds_the_same_object(sandbox: CheckedSandbox, account: str) -> None:
    async def work(client: stripe.StripeClient) -> list[str]:
        options: Any = {"idempotency_key": "same"}
        first = await client.v1.customers.create_async({}, options)
        again = await client.v1.customers.create_async({}, options)
        return [first.id, again.id]

    first, again = run(sandbox, account, work)
    assert first == again
