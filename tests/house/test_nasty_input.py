"""Every form, parameter and body of the shop with nasty input: a sentence, never a 5xx or a traceback."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kopeck.orders.models import Order
from tests.support.nasty import BODIES, CONTENT_TYPES, EVENTS, VALUES
from tests.support.shop import ShopSandbox, make_item, make_rate, sign

pytestmark = pytest.mark.django_db(transaction=True)

#: Address and the names of what it reads; {item} and {order} are ones that exist, and the buyer's own.
GETS = [
    ("/", ["x"]),
    ("/item/{item}", ["quantity", "cancelled"]),
    ("/buy/{item}", ["quantity"]),
    ("/intent/{item}", ["quantity"]),
    ("/order/{order}", ["key", "notice", "confirming"]),
    ("/order/{order}/buy", ["key"]),
    ("/order/{order}/intent", ["key"]),
    ("/order/{order}/pay", ["key"]),
    ("/order/{order}/return", ["key", "session_id", "payment_intent", "tries"]),
    ("/orders", ["before"]),
    ("/cart", ["after"]),
    ("/search", ["q", "page"]),
    ("/item/by_order/{item}", ["before"]),
    ("/api/v1/orders/{order}", ["key"]),
    ("/api/v1/items/{item}/orders", ["before"]),
]
POSTS = [
    ("/buy/{item}", ["quantity"]),
    ("/order", ["item_{item}", "item_1", "item_99999999999999999999"]),
    ("/order/{order}/lines", ["item_{item}", "remove"]),
    ("/order/{order}/discount", ["code"]),
    ("/order/{order}/delivery", ["country", "rate"]),
    ("/order/{order}/buy", ["key"]),
    ("/admin/login/", ["username", "password", "next", "csrfmiddlewaretoken"]),
]
ANY = [*dict.fromkeys(address for address, _names in [*GETS, *POSTS]), "/api/v1/orders", "/healthz"]
FUZZ = settings(
    max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
values = st.one_of(st.sampled_from(VALUES), st.text(max_size=30), st.integers().map(str))


@pytest.fixture
def place(sandbox: ShopSandbox, buyer: Client) -> Callable[[str], str]:
    """Fills in an address with an item, and an order of this buyer's that can be paid."""
    item = make_item(shipped=True)
    make_rate()
    buyer.get(f"/item/{item.pk}?mine=1")

    def filled(address: str) -> str:
        order = Order.objects.filter(buy_item=None, status__in=Order.PAYABLE).first()
        if order is None and "{order}" in address:
            assert buyer.post("/order", {f"item_{item.pk}": 1}).status_code == 303
            order = Order.objects.filter(buy_item=None).latest("pk")
        return address.format(item=item.pk, order=order.pk if order else 0)

    return filled


def healthy(answer: Any) -> None:
    """A sentence of ours for whatever it was, and no word of how the shop is made."""
    assert answer.status_code < 500, (answer.status_code, answer.content[:500])
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert b"Traceback" not in body
    assert b"psycopg" not in body
    if answer.status_code >= 400 and answer.get("Content-Type", "").startswith("application/json"):
        error = json.loads(body)["error"]
        assert error["code"]
        assert error["message"]


@pytest.mark.parametrize(("address", "names"), GETS)
def test_parameters_of_every_page(
    place: Callable[[str], str], buyer: Client, address: str, names: list[str]
) -> None:
    @FUZZ
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        sent = {name: data.draw(values).encode("utf-8", "surrogatepass") for name in names}
        healthy(buyer.get(place(address), sent))

    ask()


@pytest.mark.parametrize(("address", "names"), POSTS)
def test_fields_of_every_form(
    place: Callable[[str], str], buyer: Client, address: str, names: list[str]
) -> None:
    @FUZZ
    @given(st.data())
    def send(data: st.DataObject) -> None:
        fields = {place(name): data.draw(values).encode("utf-8", "surrogatepass") for name in names}
        healthy(buyer.post(place(address), fields))

    send()


@pytest.mark.parametrize("address", ANY)
def test_bodies_of_every_kind_at_every_address(
    place: Callable[[str], str], buyer: Client, address: str
) -> None:
    @FUZZ
    @given(
        st.sampled_from(["POST", "POST", "POST", "PUT", "DELETE", "BREW"]),
        st.sampled_from(CONTENT_TYPES),
        st.one_of(st.sampled_from(BODIES), st.binary(max_size=100)),
    )
    def send(method: str, content_type: str, body: bytes) -> None:
        healthy(buyer.generic(method, place(address), body, content_type))

    send()


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_every_nasty_body_at_the_api_and_the_window(
    place: Callable[[str], str], buyer: Client, body: bytes
) -> None:
    for address, content_type in (
        ("/api/v1/orders", "application/json"),
        ("/order", "application/x-www-form-urlencoded"),
        ("/order", "multipart/form-data; boundary=b"),
    ):
        healthy(buyer.generic("POST", address, body, content_type))


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_webhook_body_that_is_not_signed_is_400(buyer: Client, body: bytes) -> None:
    headers = {"Stripe-Signature": "t=1,v1=00"}
    for content_type in ("application/json", "multipart/form-data; boundary=b"):
        answer = buyer.generic("POST", "/webhooks/stripe/default", body, content_type, headers=headers)
        assert answer.status_code == 400
        healthy(answer)


@pytest.mark.parametrize("event", EVENTS, ids=range(len(EVENTS)))
def test_a_signed_event_that_stripe_would_never_send_is_no_5xx(
    sandbox: ShopSandbox, buyer: Client, event: Any
) -> None:
    body = json.dumps(event)
    answer = buyer.generic(
        "POST", "/webhooks/stripe/default", body, "application/json", headers={"Stripe-Signature": sign(body)}
    )
    healthy(answer)


def test_a_signed_body_of_ten_thousand_brackets_is_400(buyer: Client) -> None:
    body = "[" * 100_000 + "]" * 100_000
    headers = {"Stripe-Signature": sign(body)}
    answer = buyer.generic("POST", "/webhooks/stripe/default", body, "application/json", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "payload_unreadable")


def test_text_that_no_database_keeps_is_replaced_in_an_event_and_other_text_is_not(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    from kopeck.webhooks.models import StripeEvent

    name = {"nul": "a\x00b", "half": "a\ud800b", "pot": "🫖", "written": "\\u0000 \\ud800"}
    event = {"id": "evt_1", "type": "x", "livemode": False, "data": {"object": {"id": "x", **name}}}
    body = json.dumps(event)
    headers = {"Stripe-Signature": sign(body)}
    answer = buyer.generic("POST", "/webhooks/stripe/default", body, "application/json", headers=headers)
    assert answer.status_code == 200
    kept = StripeEvent.objects.get().payload["data"]["object"]
    assert kept == {"id": "x", **name, "nul": "a\ufffdb", "half": "a?b"}
