"""One line a request, a call of Stripe, a job; joined by ids; and nothing in them that must not be read."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from kopeck.catalog.models import Discount
from kopeck.orders.models import Order
from kopeck.stripe_api.accounts import SANDBOX_SECRET_KEY
from kopeck.telemetry.logs import JsonLines, about
from kopeck.telemetry.redaction import scrub
from kopeck.telemetry.tracing import name_of
from kopeck.web.visitors import VISITOR_COOKIE
from tests.support.shop import ShopSandbox, make_item
from tests.support.worker import forget_jobs, work
from tests.telemetry.log_lines import Lines

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lines() -> Iterator[Lines]:
    gathered = Lines().start()
    yield gathered
    gathered.stop()


def test_a_buy_can_be_followed_from_the_request_to_stripes_request_id(
    sandbox: ShopSandbox, buyer: Client, lines: Lines
) -> None:
    answer = buyer.get(f"/buy/{make_item().pk}")
    (asked,) = lines.of("kopeck.stripe")
    (request,) = lines.of("kopeck.access")
    order = Order.objects.get()
    assert asked["call"] == "checkout.sessions.create"
    assert (asked["outcome"], asked["status"], asked["account"]) == ("ok", 200, "default")
    assert asked["stripe_request"].startswith("req_")
    assert asked["ms"] > 0
    assert (request["method"], request["status"], request["path"]) == (
        "GET",
        200,
        answer.request["PATH_INFO"],
    )
    assert asked["request"] == request["request"] == answer["X-Request-ID"]
    assert asked["order"] == request["order"] == order.pk
    assert datetime.fromisoformat(request["time"]).utcoffset() == timedelta(0)


def test_two_requests_have_two_ids(buyer: Client, lines: Lines) -> None:
    assert buyer.get("/")["X-Request-ID"] != buyer.get("/")["X-Request-ID"]
    first, second = lines.of("kopeck.access")
    assert first["request"] != second["request"]


@pytest.mark.parametrize("name", ["0190a8e2-77f1-7cc3", "trace.1:span_2"])
def test_a_trusted_proxys_request_id_is_taken_over(buyer: Client, settings: Any, name: str) -> None:
    strangers = buyer.get("/healthz", headers={"X-Request-ID": name})["X-Request-ID"]
    assert strangers != name
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    assert buyer.get("/healthz", headers={"X-Request-ID": name})["X-Request-ID"] == name


@pytest.mark.parametrize(
    "name", ["short", "x" * 65, "new\nline-and-more", "spaces are none", "<script>alert"]
)
def test_a_request_id_that_is_none_is_replaced(buyer: Client, settings: Any, name: str) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    given = buyer.get("/healthz", headers={"X-Request-ID": name})["X-Request-ID"]
    assert given != name
    assert len(given) == 32


def test_a_failing_stripe_is_a_warning_that_says_how(
    sandbox: ShopSandbox, buyer: Client, lines: Lines
) -> None:
    sandbox.control("PUT", "faults", {"next": [{"kind": "error", "path": "/v1/checkout/sessions"}]})
    buyer.get(f"/buy/{make_item().pk}")
    (asked,) = lines.of("kopeck.stripe")
    assert (asked["level"], asked["outcome"], asked["status"] >= 500) == ("WARNING", "failed", True)
    (request,) = lines.of("kopeck.access")
    assert request["status"] == 503


def test_a_webhooks_line_names_its_order(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, lines: Lines
) -> None:
    session = buyer.get(f"/buy/{make_item().pk}").json()["session_id"]
    sandbox.pay(session)
    deliver(next(event for event in sandbox.events() if event["type"] == "checkout.session.completed"))
    request = lines.of("kopeck.access")[-1]
    assert (request["path"], request["status"]) == ("/webhooks/stripe/default", 200)
    assert (request["order"], request["account"]) == (Order.objects.get().pk, "default")


def test_a_strangers_account_name_is_no_field(client: Client, lines: Lines) -> None:
    client.post("/webhooks/stripe/nobodys-account")
    assert "account" not in lines.of("kopeck.access")[0]


def test_a_job_has_its_id_on_every_line_and_one_line_at_its_end(sandbox: ShopSandbox, lines: Lines) -> None:
    forget_jobs()
    Discount.objects.create(name="Spring", percent_off=10)
    work()
    done = [line for line in lines.of("kopeck.jobs") if line["task"].endswith("mirror.jobs.sync")]
    asked = [line for line in lines.of("kopeck.stripe") if line["call"] == "coupons.create"]
    assert done
    assert {line["outcome"] for line in done} == {"ok"}
    assert {line["job"] for line in asked} == {line["job"] for line in done}


def test_facts_end_with_the_work_they_are_about(lines: Lines) -> None:
    with about(order=7):
        logging.getLogger("kopeck.test").warning("inside")
    logging.getLogger("kopeck.test").warning("outside")
    inside, outside = lines.of("kopeck.test")
    assert inside["order"] == 7
    assert "order" not in outside


def test_a_request_is_one_line_whatever_its_path(client: Client, lines: Lines) -> None:
    client.get("/nothing%0A2026-11-22%20INFO%20kopeck:%20order%201%20is%20paid")
    assert len(lines.readable.getvalue().splitlines()) == 1
    assert "%0A" in lines.of("kopeck.access")[0]["path"]


def test_what_machines_ask_for_all_day_is_not_written(client: Client, lines: Lines) -> None:
    client.get("/healthz")
    client.get("/readyz")
    assert lines.of("kopeck.access") == []


def test_a_traceback_is_in_the_json_and_without_secrets(lines: Lines) -> None:
    try:
        raise ValueError("sk_live_51Habc and pi_3abc_secret_XyZ for buyer@example.com")
    except ValueError:
        logging.getLogger("kopeck.test").exception("it broke: %s", sys.exc_info()[1])
    (line,) = lines.of("kopeck.test")
    assert "ValueError: sk_live_[hidden] and pi_3abc_secret_[hidden]" in line["exception"]
    for secret in ("51Habc", "XyZ", "buyer@example.com"):
        assert secret not in lines.text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("/order/1?key=Abc-1_x&tries=2", "/order/1?key=[hidden]&tries=2"),
        ("?session_id=cs_1&client_secret=pi_1_secret_2", "?session_id=cs_1&client_secret=[hidden]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [hidden]"),
        ("whsec_abc123,whsec_def456", "whsec_[hidden],whsec_[hidden]"),
        ("Key (email)=(a.b+c@shop.example) exists", "Key (email)=(...@...) exists"),
        ("order 17 is paid: 4820 usd", "order 17 is paid: 4820 usd"),
        ("rk_test_123 pk_live_456", "rk_test_[hidden] pk_live_456"),
    ],
)
def test_secrets_are_scrubbed_and_the_rest_stays(said: str, written: str) -> None:
    assert scrub(said) == written


def test_nothing_of_a_record_but_the_known_fields_is_written() -> None:
    record = logging.makeLogRecord({"msg": "hello", "request": "id-1", "cookies": "secret", "args": ()})
    assert set(json.loads(JsonLines().format(record))) == {"time", "level", "logger", "message", "request"}


def boom(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("boom")


def test_an_error_of_django_names_the_request_by_its_id_and_not_by_its_address(
    settings: Any, lines: Lines
) -> None:
    settings.ROOT_URLCONF = (path("boom", boom),)
    client = Client(raise_request_exception=False)
    broken = client.get("/boom?key=the-key-of-an-order")
    foreign = client.get("/boom?key=the-key-of-an-order", headers={"Host": "foreign.example"})
    assert (broken.status_code, foreign.status_code) == (500, 400)
    (error,) = lines.of("django.request")
    (refusal,) = lines.of("django.security.DisallowedHost")
    assert (error["request"], refusal["request"]) == (broken["X-Request-ID"], foreign["X-Request-ID"])
    assert f"/boom [request={broken['X-Request-ID']}]" in lines.text
    assert "the-key-of-an-order" not in lines.text
    assert "WSGIRequest" not in lines.text


def test_the_fields_of_a_line_are_scrubbed_like_its_message() -> None:
    record = logging.makeLogRecord({"msg": "", "path": "/order/1?key=Abc", "outcome": "sk_live_51Habc"})
    written = json.loads(JsonLines().format(record))
    assert (written["path"], written["outcome"]) == ("/order/1?key=[hidden]", "sk_live_[hidden]")


def test_a_whole_purchase_and_its_pages_log_no_secret(
    sandbox: ShopSandbox, buyer: Client, stranger: Client, deliver: Any, lines: Lines
) -> None:
    logging.getLogger("kopeck").setLevel(logging.DEBUG)
    try:
        item = make_item()
        made = buyer.get(f"/intent/{item.pk}").json()
        order = Order.objects.get()
        stranger.get(f"{order.link}&client_secret={made['client_secret']}")
        stranger.get(f"/order/{order.pk}?key=wrong-{order.key}")
        session = stranger.get(f"/buy/{item.pk}").json()["session_id"]
        sandbox.pay(session, email="buyer@example.com")
        for event in sandbox.events():
            deliver(event)
        stranger.post("/webhooks/stripe/default", b"{}", content_type="application/json")
    finally:
        logging.getLogger("kopeck").setLevel(logging.NOTSET)
    assert Order.objects.filter(status="paid", email="buyer@example.com").exists()
    assert len(lines.of("kopeck.access")) > 5
    cookies = [client.cookies[VISITOR_COOKIE].value for client in (buyer, stranger)]
    keys = list(Order.objects.values_list("key", flat=True))
    secrets = [*cookies, *keys, made["client_secret"], "buyer@example.com", "whsec_tests", SANDBOX_SECRET_KEY]
    assert [secret for secret in secrets if secret in lines.text] == []


@pytest.mark.parametrize(
    ("method", "address", "name"),
    [
        ("post", "/v1/checkout/sessions", "checkout.sessions.create"),
        ("get", "/v1/checkout/sessions/cs_test_1?expand[0]=x", "checkout.sessions.retrieve"),
        ("get", "/v1/checkout/sessions/cs_test_1/line_items", "checkout.sessions.line_items.list"),
        ("post", "/v1/checkout/sessions/cs_test_1/expire", "checkout.sessions.expire"),
        ("post", "/v1/payment_intents/pi_1/cancel", "payment_intents.cancel"),
        ("get", "/v1/refunds?limit=100", "refunds.list"),
        ("post", "/v1/coupons/SPRING", "coupons.update"),
        ("delete", "/v1/coupons/SPRING", "coupons.delete"),
        ("get", "/v1/account", "account.retrieve"),
        ("get", "/v1/never_heard_of/xyz", "never_heard_of.retrieve"),
    ],
)
def test_calls_are_named_as_stripes_library_names_them(method: str, address: str, name: str) -> None:
    assert name_of(method, f"https://api.stripe.com{address}") == name
