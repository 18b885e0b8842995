"""Input that means no good: a code and a sentence, never a traceback."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client, RequestFactory

from kopeck.errors import ShopError
from kopeck.money import MoneyError, to_minor
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import refusals
from kopeck.web.errors import error_response
from kopeck.web.visitors import VISITOR_COOKIE, Visitor
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(buyer: Client) -> Order:
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    return placing.place([Wanted(item, 1)], visitor=Visitor(buyer.cookies[VISITOR_COOKIE].value).key)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/order/{}/return?session_id=%00", 303),
        ("/order/{}?confirming=" + "0" * 5000, 200),
        ("/order/{}?key=%00&notice=%00", 200),
        ("/orders?before=" + "9" * 5000, 200),
        ("/?%ff=%fe", 200),
        ("/item/%00", 404),
        ("/media/..%2f..%2fetc/passwd", 404),
        ("/media/..%2f..%2fetc/passwd.webp", 400),
        ("/media/%00", 404),
    ],
)
def test_odd_addresses(buyer: Client, mine: Order, address: str, status: int) -> None:
    assert buyer.get(address.format(mine.pk)).status_code == status


@pytest.mark.parametrize("origin", ["http://[", "null", "", "x", "http://testserver.evil.example"])
def test_odd_origins_are_foreign_to_a_post_and_nothing_to_a_get(
    buyer: Client, mine: Order, origin: str
) -> None:
    address = f"/order/{mine.pk}/lines"
    assert buyer.post(address, headers={"Origin": origin}).status_code == 403
    assert buyer.get(f"/order/{mine.pk}", headers={"Origin": origin}).status_code == 200
    assert buyer.post(address, headers={"Origin": "http://testserver"}).status_code == 303


def test_a_signature_that_is_not_ascii_is_400(buyer: Client) -> None:
    answer = buyer.post("/webhooks/stripe/default", "{}", content_type="application/json",
                        headers={"Stripe-Signature": "t=1,v1=é"})  # fmt: skip
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "signature_wrong")


@pytest.mark.parametrize("method", ["post", "delete", "put", "patch"])
def test_a_method_that_an_address_does_not_take_is_405_in_the_one_shape(
    buyer: Client, mine: Order, method: str
) -> None:
    answer = getattr(buyer, method)(f"/api/v1/items/{mine.lines.get().item_id}/orders")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/item/1",
        "/orders",
        "/order/1",
        "/order/1/pay",
        "/order/1/return",
        "/item/by_order/1",
        "/healthz",
    ],
)
def test_what_is_only_looked_at_says_405_to_a_browser_without_a_token_too(address: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    for answer in (browser.post(address), browser.delete(address)):
        assert answer.status_code == 405
        assert answer["Allow"] == "GET, HEAD"
        assert b"form_expired" not in answer.content
        assert b"open for too long" not in answer.content


def test_a_form_without_its_token_is_refused_by_our_own_page() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x", "password": "y"})
    assert answer.status_code == 403
    page = answer.content.decode()
    assert "open for too long" in page
    assert "<h1>Please send that once more</h1>" in page
    assert 'href="/admin/">To the desk</a>' in page


@pytest.mark.parametrize(
    ("path", "sent", "status", "title"),
    [
        ("/buy/{item}", {"quantity": "0"}, 422, "Please check what you chose"),
        ("/item/{item}", {}, 405, "This address works another way"),
        ("/buy/999999", {}, 404, "There is nothing here"),
        ("/order", {}, 422, "Please check what you chose"),
    ],
)
@pytest.mark.django_db
def test_an_error_page_is_headed_by_what_happened(
    buyer: Client, path: str, sent: dict[str, str], status: int, title: str
) -> None:
    item = make_item(stock=2)
    buyer.get(f"/item/{item.pk}?mine=1")
    answer = buyer.post(path.format(item=item.pk), sent, headers={"origin": "http://testserver"})
    assert answer.status_code == status
    page = answer.content.decode()
    assert f"<h1>{title}</h1>" in page
    assert 'href="/">Back to the shop</a>' in page


def test_a_host_that_is_not_ours_is_400(buyer: Client) -> None:
    answer = buyer.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "Traceback" not in answer.content.decode()


@pytest.mark.parametrize("written", ["1e-99999999", "1e99999999", "0e-31", "sNaN"])
def test_an_amount_with_an_absurd_exponent_is_refused_at_once(written: str) -> None:
    with pytest.raises(MoneyError):
        to_minor(Decimal(written), "usd")


@pytest.mark.django_db(transaction=True)
def test_dead_connections_cost_one_sentence_and_not_one_each(buyer: Client, settings: Any) -> None:
    """As after a restart of PostgreSQL: every connection of the pool is dead."""
    from concurrent.futures import ThreadPoolExecutor

    def page(_number: int) -> int:
        status = Client(raise_request_exception=False).get("/").status_code
        connection.close()
        return status

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(page, range(12))) == {200}
    connection.close()
    import psycopg

    with psycopg.connect(**psycopg_params(), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    statuses = [page(number) for number in range(6)]
    assert statuses.count(503) <= 1
    assert statuses.count(200) == 6 - statuses.count(503)


def psycopg_params() -> dict[str, Any]:
    params = connection.get_connection_params()
    return {name: params[name] for name in ("host", "port", "dbname", "user", "password") if params.get(name)}


@pytest.mark.parametrize(
    ("error", "title"),
    [
        (refusals.busy(), "Just a moment, please"),
        (refusals.unavailable(), "The payment service does not answer"),
    ],
    ids=["busy", "unavailable"],
)
def test_only_what_the_payment_service_did_is_said_to_be_its_doing(error: ShopError, title: str) -> None:
    page = error_response(RequestFactory().get("/order/1"), error)
    assert page.status_code == 503
    assert f"<h1>{title}</h1>" in page.content.decode()
