"""`Idempotency-Key`: sent twice, done once; another request's key, one at work, a refused one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.api import once
from kopeck.api.models import Answer
from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.ops import jobs as tidy_jobs
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.payments import stock
from kopeck.refunds.models import Refund
from tests.api.test_programs import code_of
from tests.support.buying import paid_order, paid_order_of
from tests.support.programs import Program, make_token
from tests.support.refunding import at_stripe
from tests.support.shop import ShopSandbox, make_item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def program(db: None) -> Program:
    return Program(make_token())


def order_of(item: Item, quantity: int = 1) -> dict[str, Any]:
    return {"lines": [{"item": item.pk, "quantity": quantity}]}


def test_a_repeated_order_is_made_once_and_answered_the_same(program: Program) -> None:
    item = make_item()
    first = program.post("/api/v1/orders", order_of(item), Idempotency_Key="a")
    again = program.post("/api/v1/orders", order_of(item), Idempotency_Key="a")
    assert (again.status_code, again.json()) == (201, first.json())
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Order.objects.count() == 1
    program.post("/api/v1/orders", order_of(item), Idempotency_Key="b")
    program.post("/api/v1/orders", order_of(item))
    assert Order.objects.count() == 3


def test_another_request_with_the_same_key_is_refused(program: Program) -> None:
    item = make_item(stock=5)
    program.post("/api/v1/orders", order_of(item), Idempotency_Key="a")
    for address, body in (
        ("/api/v1/orders", order_of(item, 2)),
        (f"/api/v1/items/{item.pk}/stock", order_of(item)),
    ):
        answer = program.post(address, body, Idempotency_Key="a")
        assert code_of(answer) == (422, "idempotency_key_used")
    assert Order.objects.count() == 1


def test_a_key_of_a_way_to_pay_is_good_for_that_way_alone(program: Program, sandbox: ShopSandbox) -> None:
    order = program.post("/api/v1/orders", order_of(make_item())).json()["id"]
    address = f"/api/v1/orders/{order}"
    session = program.post(f"{address}/checkout", Idempotency_Key="p")
    answer = program.post(f"{address}/intent", Idempotency_Key="p")
    assert code_of(answer) == (422, "idempotency_key_used")
    assert program.post(f"{address}/checkout", Idempotency_Key="p").json() == session.json()


def test_a_browsers_keys_of_what_costs_no_budget_leave_no_rows(buyer: Client, sandbox: ShopSandbox) -> None:
    """One cookie and a new key each time would else fill the database for a day."""
    buyer.get(f"/buy/{make_item().pk}")
    address = f"/api/v1/orders/{Order.objects.get().pk}"
    for number, what in enumerate(["checkout", "checkout", "intent", "cancel", "cancel"]):
        headers = {"Idempotency-Key": str(number)}
        assert (
            buyer.post(f"{address}/{what}", content_type="application/json", headers=headers).status_code
            == 200
        )
        assert not Answer.objects.exists(), what


def test_each_token_and_each_browser_has_keys_of_its_own(program: Program, buyer: Client) -> None:
    item = make_item()
    for other in (program, Program(make_token())):
        assert other.post("/api/v1/orders", order_of(item), Idempotency_Key="a").status_code == 201
    assert Order.objects.count() == 2
    headers = {"Idempotency-Key": "a"}
    nobody = buyer.post("/api/v1/orders", order_of(item), "application/json", headers=headers)
    assert code_of(nobody) == (400, "idempotency_key_of_nobody")
    buyer.get(f"/buy/{item.pk}")  # refused without Stripe; its cookie is there
    orders = Order.objects.count()
    for _time in range(2):
        made = buyer.post("/api/v1/orders", order_of(item), "application/json", headers=headers)
        assert made.status_code == 201
    assert Order.objects.count() == orders + 1


def test_a_refused_request_may_try_again(program: Program) -> None:
    item = make_item(stock=0)
    assert program.post("/api/v1/orders", order_of(item), Idempotency_Key="a").status_code == 409
    assert not Answer.objects.exists()
    Item.objects.update(stock=1)
    assert program.post("/api/v1/orders", order_of(item), Idempotency_Key="a").status_code == 201


def test_while_the_first_is_at_work_the_second_is_told_so(program: Program) -> None:
    item = make_item()
    body = order_of(item)
    program.post("/api/v1/orders", body, Idempotency_Key="a")
    Answer.objects.update(status=None, lease_until=timezone.now() + timedelta(minutes=1))
    answer = program.post("/api/v1/orders", body, Idempotency_Key="a")
    assert code_of(answer) == (409, "idempotency_key_at_work")
    assert answer["Retry-After"] == "1"
    # The process that had it is dead.
    Answer.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert program.post("/api/v1/orders", body, Idempotency_Key="a").status_code == 201


def test_of_many_at_once_one_makes_the_order(program: Program) -> None:
    item = make_item()

    def make(_number: int) -> tuple[int, int]:
        answer = program.post("/api/v1/orders", order_of(item), Idempotency_Key="a")
        connection.close()
        return answer.status_code, answer.json().get("id", 0)

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(make, range(16)))
    (order,) = Order.objects.all()
    assert found <= {(201, order.pk), (409, 0)}
    assert program.post("/api/v1/orders", order_of(item), Idempotency_Key="a").json()["id"] == order.pk


def test_what_dies_before_its_answer_is_stored_leaves_no_order_behind(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = make_item()

    def die(*_words: Any) -> None:
        assert Order.objects.count() == 1
        raise RuntimeError("The power is cut.")

    with monkeypatch.context() as patch:
        patch.setattr(once, "_keep", die)
        assert program.post("/api/v1/orders", order_of(item), Idempotency_Key="a").status_code == 500
    assert not Order.objects.exists()
    assert program.post("/api/v1/orders", order_of(item), Idempotency_Key="a").status_code == 201
    assert Order.objects.count() == 1


def test_a_request_that_is_refused_after_it_wrote_leaves_nothing(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_what: Any) -> None:
        assert Order.objects.count() == 1
        raise ShopError("too_late", "It was written, and cannot be told.", status=409)

    body = order_of(make_item())
    with monkeypatch.context() as patch:
        patch.setattr("kopeck.api.orders.show_order", refuse)
        assert code_of(program.post("/api/v1/orders", body, Idempotency_Key="a")) == (409, "too_late")
    assert not Order.objects.exists()
    assert program.post("/api/v1/orders", body, Idempotency_Key="a").status_code == 201


def test_a_request_that_takes_longer_than_its_lease_does_nothing_once_a_repetition_did_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, place, again = order_of(make_item()), placing.place, list[Any]()

    def repeat() -> None:
        again.append(program.post("/api/v1/orders", body, Idempotency_Key="a"))
        connection.close()

    def slowly(*what: Any, **more: Any) -> Order:
        if not again:
            again.append(None)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(repeat).result()
        return place(*what, **more)

    monkeypatch.setattr(once, "LEASE", timedelta(seconds=-1))
    monkeypatch.setattr(placing, "place", slowly)
    first = program.post("/api/v1/orders", body, Idempotency_Key="a")
    assert (code_of(first), again[1].status_code) == ((409, "idempotency_key_at_work"), 201)
    assert Order.objects.get().pk == again[1].json()["id"]
    assert program.post("/api/v1/orders", body, Idempotency_Key="a").json() == again[1].json()


def test_a_request_that_fails_after_its_lease_leaves_the_key_to_who_has_it(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = timezone.now() + timedelta(minutes=1)

    def take_over() -> None:
        Answer.objects.update(lease_until=later)
        connection.close()

    def taken_over(*_what: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(take_over).result()
        raise ShopError("sold_out", "It is sold out.", status=409)

    monkeypatch.setattr(stock, "refuse_short", taken_over)
    body = order_of(make_item())
    assert code_of(program.post("/api/v1/orders", body, Idempotency_Key="a")) == (409, "sold_out")
    again = program.post("/api/v1/orders", body, Idempotency_Key="a")
    assert code_of(again) == (409, "idempotency_key_at_work")


def test_a_refund_whose_answer_was_lost_is_found_again(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    address, body = f"/api/v1/orders/{order.pk}/refunds", {"amount": 500}

    def die(*_words: Any) -> None:
        raise RuntimeError("The power is cut.")

    with monkeypatch.context() as patch:
        patch.setattr(once, "_keep", die)
        assert program.post(address, body, Idempotency_Key="r").status_code == 500
    again = program.post(address, body, Idempotency_Key="r")
    assert (again.status_code, again.json()["id"]) == (201, Refund.objects.get().pk)
    assert program.post(address, body, Idempotency_Key="r")["Idempotent-Replayed"] == "true"
    assert at_stripe(sandbox) == [500]
    # Without a key each is a refund of its own.
    program.post(address, body)
    assert at_stripe(sandbox) == [500, 500]


def test_a_key_of_a_refund_is_no_other_refunds_after_its_day_either(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    item = make_item(price=1000)
    order = paid_order_of(sandbox, buyer, deliver, {item.pk: 3})
    address, piece = f"/api/v1/orders/{order.pk}/refunds", {"lines": [{"item": item.pk, "quantity": 1}]}
    some = program.post(address, {"amount": 500}, Idempotency_Key="some").json()
    one = program.post(address, piece, Idempotency_Key="one").json()
    Answer.objects.all().delete()
    for key, body in (
        ("some", {"amount": 501}),
        ("some", piece),
        ("one", {"lines": [{"item": item.pk, "quantity": 2}]}),
    ):
        answer = program.post(address, body, Idempotency_Key=key)
        assert code_of(answer) == (422, "idempotency_key_used"), (key, body)
    assert program.post(address, {"amount": 500}, Idempotency_Key="some").json()["id"] == some["id"]
    assert program.post(address, piece, Idempotency_Key="one").json()["id"] == one["id"]
    assert at_stripe(sandbox) == [500, one["amount"]]


def test_a_refund_that_stripe_refused_is_asked_for_again_by_the_same_key(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, program: Program
) -> None:
    """A bank has the money until the dispute is won."""
    order = paid_order(sandbox, buyer, deliver, "4000000000000259")
    address, body = f"/api/v1/orders/{order.pk}/refunds", {"amount": 500}
    for _time in range(2):
        answer = program.post(address, body, Idempotency_Key="r")
        assert code_of(answer) == (409, "refund_refused")
    (dispute,) = sandbox.stripe.v1.disputes.list().data
    evidence: Any = {"evidence": {"uncategorized_text": "winning_evidence"}, "submit": True}
    sandbox.stripe.v1.disputes.update(dispute.id, evidence)
    assert program.post(address, body, Idempotency_Key="r").status_code == 201
    assert program.post(address, body, Idempotency_Key="r")["Idempotent-Replayed"] == "true"
    assert at_stripe(sandbox) == [500]


@pytest.mark.parametrize("key", ["a" * 256, "é", "\x07", "🫖"])
def test_a_key_that_is_none_is_refused(key: str, program: Program) -> None:
    client = Client(raise_request_exception=False, headers={**program.headers})
    answer = client.post(
        "/api/v1/orders", order_of(make_item()), "application/json", HTTP_IDEMPOTENCY_KEY=key
    )
    assert code_of(answer) == (400, "idempotency_key_bad")


def test_every_post_of_the_document_takes_a_key(program: Program, sandbox: ShopSandbox) -> None:
    from kopeck.api.routes import api

    operations = [
        operation
        for _prefix, router in api._routers
        for view in router.path_operations.values()
        for operation in view.operations
    ]
    posts = [operation for operation in operations if "POST" in operation.methods]
    assert len(posts) == 7
    assert [one.path for one in posts if not getattr(one, "_run_decorators", None)] == []


def test_answers_are_kept_for_a_day(program: Program) -> None:
    program.post("/api/v1/orders", order_of(make_item()), Idempotency_Key="a")
    Answer.objects.update(created=timezone.now() - timedelta(hours=23))
    assert "answers" not in tidy_jobs.forget()
    Answer.objects.update(created=timezone.now() - timedelta(hours=25))
    assert tidy_jobs.forget()["answers"] == 1
