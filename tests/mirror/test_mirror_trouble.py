"""Stripe down, answers lost, two at once, crashes: in the end one copy, and no second one."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror import sync as copies
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api import client as wire
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from tests.support.mirroring import change, copy_of, coupons, down, make_discount, make_tax, rates, sync
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


def fault(sandbox: ShopSandbox, kind: str, path: str = "/v1/coupons", times: int = 1) -> None:
    sandbox.control(
        "PUT", "faults", {"next": [{"kind": kind, "path": path, "method": "POST", "times": times}]}
    )


@pytest.mark.parametrize("kind", ["cut_after", "error_after"])
def test_a_coupon_whose_making_was_not_heard_of_is_found_and_not_made_twice(
    sandbox: ShopSandbox, kind: str
) -> None:
    discount = make_discount()
    fault(sandbox, kind)
    with pytest.raises(StripeUnavailable):
        sync(discount)
    (made,) = coupons(sandbox.stripe)
    sync(discount)
    assert copy_of(discount).stripe_id == made.id
    assert len(coupons(sandbox.stripe)) == 1


def test_a_coupon_whose_making_was_not_heard_of_follows_a_change_made_meanwhile(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    fault(sandbox, "cut_after")
    with pytest.raises(StripeUnavailable):
        sync(discount)
    change(discount, percent_off=30)
    sync(discount)
    (coupon,) = coupons(sandbox.stripe)
    assert (coupon.percent_off, coupon.id) == (30, copy_of(discount).stripe_id)


def test_a_rate_whose_making_was_not_heard_of_is_archived_when_its_tax_is_gone(sandbox: ShopSandbox) -> None:
    tax = make_tax()
    pk = tax.pk
    fault(sandbox, "cut_after", "/v1/tax_rates")
    with pytest.raises(StripeUnavailable):
        sync(tax)
    tax.delete()
    tax.pk = pk
    sync(tax)
    assert (rates(sandbox.stripe), len(rates(sandbox.stripe, active=False))) == ([], 1)
    assert StripeMirror.objects.count() == 0


def test_a_discount_that_is_deleted_before_stripe_heard_of_it_leaves_nothing(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    pk = discount.pk
    fault(sandbox, "cut_before")
    with pytest.raises(StripeUnavailable):
        sync(discount)
    discount.delete()
    discount.pk = pk
    sync(discount)
    assert (coupons(sandbox.stripe), StripeMirror.objects.count()) == ([], 0)


def test_an_old_copy_that_cannot_be_retired_now_is_retired_later(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    sync(discount)
    change(discount, percent_off=30)
    once = {"kind": "error", "path": "/v1/coupons", "method": "DELETE"}
    sandbox.control("PUT", "faults", {"next": [once]})
    with pytest.raises(StripeUnavailable):
        sync(discount)
    assert copy_of(discount).status == "current"  # buyers have the new one already
    assert "APIError" in StripeMirror.objects.get(status="retiring").problem
    sync(discount)
    assert [coupon.percent_off for coupon in coupons(sandbox.stripe)] == [30]


def together(count: int, act: Callable[[], Any]) -> list[BaseException]:
    """Does `act` in so many threads at the same moment; what they raised."""
    start, raised = threading.Barrier(count), list[BaseException]()

    def run() -> None:
        try:
            start.wait()
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("make", [make_discount, make_tax])
def test_ten_workers_at_once_make_one_copy(sandbox: ShopSandbox, make: Callable[[], Discount | Tax]) -> None:
    thing = make()
    sandbox.control("PUT", "faults", {"latency_ms": 100})
    assert together(10, lambda: sync(thing)) == []
    assert len(coupons(sandbox.stripe)) + len(rates(sandbox.stripe)) == 1
    change(thing, **({"percent_off": 30} if isinstance(thing, Discount) else {"percentage": 30}))
    assert together(10, lambda: sync(thing)) == []
    assert len(coupons(sandbox.stripe)) + len(rates(sandbox.stripe)) == 1
    assert StripeMirror.objects.count() == 1


def test_those_who_wait_for_a_stripe_that_fails_do_not_each_ask_it_again(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    down(sandbox)
    sandbox.control("PUT", "faults", {"latency_ms": 300})
    raised = together(10, lambda: sync(discount))
    assert [type(error) for error in raised] == [StripeUnavailable] * 10
    assert copy_of(discount).tries < 10
    down(sandbox, 0)
    sync(discount)
    assert len(coupons(sandbox.stripe)) == 1


def test_a_worker_that_died_while_it_asked_is_followed_by_another_when_its_lease_ends(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    discount = make_discount()
    create = wire.Gateway.create

    class PowerCut(BaseException):
        pass

    def die_after(*args: Any, **kwargs: Any) -> None:
        create(*args, **kwargs)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(wire.Gateway, "create", die_after)
        patch.setattr(copies, "BaseException", KeyError, raising=False)  # nothing of ours runs in a power cut
        with pytest.raises(PowerCut):
            sync(discount)
    (made,) = coupons(sandbox.stripe)
    assert copy_of(discount).lease_until is not None
    monkeypatch.setattr(copies, "PATIENCE", 0.1)
    with pytest.raises(StripeUnavailable, match="Another process"):
        sync(discount)
    monkeypatch.undo()
    assert timedelta(seconds=copies.PATIENCE) > copies.LEASE, "a buyer would wait in vain"
    StripeMirror.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    sync(discount)
    assert copy_of(discount).stripe_id == made.id
    assert len(coupons(sandbox.stripe)) == 1


def test_a_worker_that_took_longer_than_its_lease_leaves_no_wrong_note(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    discount = make_discount()
    sync(discount)
    change(discount, name="Summer")
    update = wire.Gateway.update

    def slow(self: wire.Gateway, *args: Any) -> Any:
        monkeypatch.setattr(wire.Gateway, "update", update)
        StripeMirror.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        change(discount, name="Autumn")
        sync(discount)  # another one comes by
        return update(self, *args)  # and only now does the first name arrive

    monkeypatch.setattr(wire.Gateway, "update", slow)
    sync(discount)
    (coupon,) = coupons(sandbox.stripe)
    assert coupon.name == "Autumn"
    assert copy_of(discount).details == {"name": "Autumn"}


def test_the_same_failed_answer_to_the_same_key_does_not_hold_for_ever(
    sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stripe repeats even a 500 to its idempotency key, for a day."""
    discount, keys, create = make_discount(), [], wire.Gateway.create

    def stuck(self: wire.Gateway, kind: str, inputs: Any, *, idempotency_key: str) -> Any:
        keys.append(idempotency_key)
        if idempotency_key == keys[0]:
            raise StripeUnavailable("500, repeated")
        return create(self, kind, inputs, idempotency_key=idempotency_key)

    monkeypatch.setattr(wire.Gateway, "create", stuck)
    for _try in range(2):
        with pytest.raises(StripeUnavailable):
            sync(discount)
    sync(discount)
    assert keys[0] == keys[1] != keys[2]
    assert len(coupons(sandbox.stripe)) == 1


def test_what_stripe_refuses_is_shown_to_the_owner_who_can_try_again(
    sandbox: ShopSandbox, owner: Client
) -> None:
    forget_jobs()
    tax = make_tax(country="D1")
    with pytest.raises(StripeRefused):
        sync(tax)
    page = owner.get("/admin/mirror/stripemirror/?failed=yes").content.decode()
    assert "Country &#x27;D1&#x27; is unknown" in page
    assert f"/admin/catalog/tax/{tax.pk}/change/" in page
    Tax.objects.update(country="DE")  # without a signal
    forget_jobs()
    copy = copy_of(tax)
    form = {"action": "try_again", "_selected_action": [copy.pk]}
    answer = owner.post("/admin/mirror/stripemirror/", form, follow=True)
    assert "1 object is tried again." in answer.content.decode()
    work()
    assert len(rates(sandbox.stripe)) == 1
    assert "Country" not in owner.get("/admin/mirror/stripemirror/").content.decode()
    assert owner.get(f"/admin/mirror/stripemirror/{copy.pk}/change/").status_code == 200


def test_why_a_copy_is_not_in_step_is_said_in_the_language_of_the_desk(owner: Client) -> None:
    said = "Stripe did not answer: timed out"
    copy = StripeMirror.objects.create(account="default", kind="coupon", object_id=1, problem=said)
    for path in ("", f"{copy.pk}/change/"):
        address = f"/admin/mirror/stripemirror/{path}"
        assert said in owner.get(address).content.decode()
        page = owner.get(address, headers={"accept-language": "ru"}).content.decode()
        assert "Stripe не ответил: timed out" in page
        assert said not in page


def test_the_list_of_copies_is_made_in_a_constant_number_of_queries(
    sandbox: ShopSandbox, owner: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        sync(make_tax(display_name=f"Tax {number}"))
    with django_assert_max_num_queries(9):
        page = owner.get("/admin/mirror/stripemirror/").content.decode()
    assert "Tax 11" in page
    for path in ("add/", "1/delete/"):
        assert owner.get(f"/admin/mirror/stripemirror/{path}").status_code in (302, 403)
