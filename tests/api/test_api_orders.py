"""POST /api/v1/orders: the whole path without a browser."""

import json
from typing import Any

import pytest
from django.test import Client

from kopeck.catalog.models import Discount
from kopeck.orders.models import Order
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)


def post(client: Client, body: Any, **headers: str) -> Any:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post("/api/v1/orders", text, content_type="application/json", headers=headers)


def test_an_order_is_made_and_paid_without_a_browser(sandbox: ShopSandbox, buyer: Client) -> None:
    pot, lamp = make_item(name="Pot", price=1000), make_item(name="Lamp", price=250)
    answer = post(buyer, {"lines": [{"item": pot.pk, "quantity": 2}, {"item": lamp.pk, "quantity": 1}]})
    assert answer.status_code == 201
    body = answer.json()
    assert {name: body[name] for name in ("status", "currency", "subtotal", "discount", "tax", "total")} == {
        "status": "open", "currency": "usd", "subtotal": 2250, "discount": 0, "tax": 0, "total": 2250,
    }  # fmt: skip
    assert [(line["name"], line["quantity"], line["total"]) for line in body["lines"]] == [
        ("Pot", 2, 2000),
        ("Lamp", 1, 250),
    ]
    sandbox.pay(buyer.get(f"/order/{body['id']}/buy").json()["session_id"])
    buyer.get(f"/order/{body['id']}/return")
    assert buyer.get(f"/api/v1/orders/{body['id']}").json()["status"] == "paid"


def test_a_code_takes_off(buyer: Client) -> None:
    Discount.objects.create(name="Tenth", code="TENTH", percent_off=10)
    pot = make_item(price=1000)
    body = post(buyer, {"lines": [{"item": pot.pk, "quantity": 1}], "discount_code": " tenth "}).json()
    assert (body["subtotal"], body["discount"], body["total"]) == (1000, 100, 900)


@pytest.mark.parametrize("percent", [100, 99])
def test_what_is_too_much_before_the_discount_is_refused(buyer: Client, percent: int) -> None:
    Discount.objects.create(name="Gift", code="GIFT", percent_off=percent)
    pot = make_item(price=99_999_999)
    answer = post(buyer, {"lines": [{"item": pot.pk, "quantity": 99}], "discount_code": "GIFT"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "amount_too_large")
    assert Order.objects.count() == 0
    one = post(buyer, {"lines": [{"item": pot.pk, "quantity": 1}], "discount_code": "GIFT"})
    assert (one.status_code, one.json()["subtotal"]) == (201, 99_999_999)


def test_the_order_belongs_to_the_callers_cookie(buyer: Client, stranger: Client) -> None:
    order = post(buyer, {"lines": [{"item": make_item().pk}]}).json()["id"]
    assert buyer.get(f"/api/v1/orders/{order}").status_code == 200
    assert stranger.get(f"/api/v1/orders/{order}").status_code == 404


def test_mixed_currencies_are_422_with_a_sentence_that_names_them(buyer: Client) -> None:
    lines = [{"item": make_item(currency=code).pk, "quantity": 1} for code in ("usd", "eur")]
    answer = post(buyer, {"lines": lines})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "mixed_currencies")
    assert "EUR, USD" in answer.json()["error"]["message"]
    assert Order.objects.count() == 0


def test_the_same_item_twice_is_one_line(buyer: Client) -> None:
    pot = make_item(price=1000)
    body = post(buyer, {"lines": [{"item": pot.pk, "quantity": 2}, {"item": pot.pk, "quantity": 3}]}).json()
    assert [line["quantity"] for line in body["lines"]] == [5]
    answer = post(buyer, {"lines": [{"item": pot.pk, "quantity": 60}, {"item": pot.pk, "quantity": 60}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_quantity")


@pytest.mark.parametrize(
    "body",
    ["", "not json", "[]", "null", "{}", '{"lines": []}', '{"lines": [{}]}', '{"lines": [{"item": "x"}]}',
     '{"lines": [{"item": 1, "quantity": 0}]}', '{"lines": [{"item": 1, "quantity": 1e99}]}',
     '{"lines": [{"item": 99999999999999999999, "quantity": 1}]}', '{"lines": {"item": 1}}', b"\xff\xfe",
     '{"lines": [{"item": 1, "quantity": 1}], "discount_code": 5}'],
)  # fmt: skip
def test_a_body_that_is_no_order_is_refused_with_a_code_and_a_sentence(buyer: Client, body: Any) -> None:
    answer = post(buyer, body)
    assert answer.status_code in (400, 422)
    assert set(answer.json()["error"]) == {"code", "message"}
    assert "Traceback" not in answer.content.decode()


@pytest.mark.parametrize(("number", "code"), [(999999, "item_not_found"), (2**63 - 1, "item_not_found")])
def test_an_item_that_is_not_there_is_404(buyer: Client, number: int, code: str) -> None:
    answer = post(buyer, {"lines": [{"item": number, "quantity": 1}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


@pytest.mark.parametrize("code", ["NOPE", "\x00", "é" * 50])
def test_an_unknown_code_is_422(buyer: Client, code: str) -> None:
    answer = post(buyer, {"lines": [{"item": make_item().pk}], "discount_code": code})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "discount_unknown")
    assert Order.objects.count() == 0


def test_country_and_rate_of_a_delivery_are_chosen(buyer: Client) -> None:
    make_rate()
    dear = make_rate(amount=1900, name="Air mail", countries=["DE"])
    body = {"lines": [{"item": make_item(shipped=True).pk}]}
    assert post(buyer, body).json()["shipping"]["amount"] == 490
    made = post(buyer, {**body, "country": "de", "shipping_rate": dear.pk}).json()
    shipping = {"country": "DE", "rate": dear.pk, "name": "Air mail", "amount": 1900}
    assert made["shipping"] == {**shipping, "discount": 0, "tax": 0, "total": 1900}
    assert (made["total"], len(made["lines"])) == (4820 + 1900, 1)
    assert post(buyer, {"lines": [{"item": make_item().pk}]}).json()["shipping"] is None


@pytest.mark.parametrize(
    ("country", "code"), [("XX", "bad_country"), ("ß", "bad_country"), ("FR", "no_delivery")]
)
def test_a_country_that_is_not_served_makes_no_order(buyer: Client, country: str, code: str) -> None:
    make_rate(countries=["DE"])
    answer = post(buyer, {"lines": [{"item": make_item(shipped=True).pk}], "country": country})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert not Order.objects.exists()


def test_another_site_cannot_make_an_order(buyer: Client) -> None:
    answer = post(buyer, {"lines": [{"item": make_item().pk}]}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def test_the_document_names_every_address(buyer: Client) -> None:
    paths = buyer.get("/api/v1/openapi.json").json()["paths"]
    assert {path.removeprefix("/api/v1") for path in paths} == {
        "/items",
        "/items/{item_id}",
        "/items/{item_id}/orders",
        "/items/{item_id}/stock",
        "/orders",
        "/orders/{order_id}",
        "/orders/{order_id}/cancel",
        "/orders/{order_id}/checkout",
        "/orders/{order_id}/intent",
        "/orders/{order_id}/refunds",
        "/orders/{order_id}/shipment",
        "/stock",
    }
