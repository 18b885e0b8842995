"""Every change of a discount or a tax reaches Stripe by a job of the same transaction, sooner or later."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app

from kopeck.catalog.models import Discount, Tax
from kopeck.mirror import jobs as mirror_jobs
from kopeck.mirror.models import StripeMirror
from kopeck.stripe_api.client import StripeUnavailable
from tests.support.mirroring import (
    asked,
    change,
    copy_of,
    coupons,
    down,
    jobs,
    make_discount,
    make_tax,
    rates,
    sync,
    two_accounts,
)
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, wait_for_retries, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _no_jobs(transactional_db: None) -> None:
    forget_jobs()


def test_the_worker_makes_renames_and_deletes_the_coupon_of_a_discount(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    assert (jobs(), coupons(sandbox.stripe)) == (1, [])
    work()
    (made,) = coupons(sandbox.stripe)
    change(discount, name="Summer")
    work()
    (renamed,) = coupons(sandbox.stripe)
    assert (renamed.id, renamed.name) == (made.id, "Summer")
    discount.delete()
    work()
    assert coupons(sandbox.stripe) == []
    assert (jobs(), jobs("succeeded")) == (0, 3)


def test_a_change_that_is_rolled_back_leaves_no_job(sandbox: ShopSandbox) -> None:
    with transaction.atomic():
        make_discount()
        assert jobs() == 1
        transaction.set_rollback(True)
    assert jobs() == 0


def test_each_change_is_brought_to_every_account(sandbox: ShopSandbox, settings: Any) -> None:
    accounts = two_accounts(sandbox, settings)
    tax, discount = make_tax(), make_discount(percent_off=None, amount_off=500, currency="eur")
    work()
    for account in accounts.values():
        assert [rate.percentage for rate in rates(account)] == [19]
        assert [(coupon.amount_off, coupon.currency) for coupon in coupons(account)] == [(500, "eur")]
    assert copy_of(tax, "eur").stripe_id != copy_of(tax, "default").stripe_id
    discount.delete()
    change(tax, percentage=20)
    work()
    for account in accounts.values():
        assert [rate.percentage for rate in rates(account)] == [20]
        assert coupons(account) == []


def test_one_account_that_fails_does_not_hold_back_the_other(sandbox: ShopSandbox, settings: Any) -> None:
    accounts = two_accounts(sandbox, settings)
    settings.STRIPE_ACCOUNTS["default"] = settings.STRIPE_ACCOUNTS["default"].__class__(
        "default", "wrong", "wrong", (), livemode=False
    )
    tax = make_tax()
    work()
    assert len(rates(accounts["eur"])) == 1
    assert "Invalid API Key" in copy_of(tax, "default").problem


def test_a_job_that_meets_a_stripe_that_is_down_is_tried_again_later_and_says_why(
    sandbox: ShopSandbox,
) -> None:
    discount = make_discount()
    down(sandbox)
    before = timezone.now()
    work()
    left = copy_of(discount)
    assert (left.status, left.stripe_id) == ("creating", None)
    assert "APIError" in left.problem
    # Where this machine stood still for four seconds it was tried again at once.
    assert left.tries in (1, 2)
    pause = timedelta(seconds=4**left.tries)
    assert (jobs("todo"), jobs("failed")) == (1, 0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT scheduled_at FROM procrastinate_jobs WHERE status = 'todo'")
        (due,) = cursor.fetchone()
    assert before + pause <= due <= timezone.now() + pause
    down(sandbox, 0)
    wait_for_retries()
    work()
    assert (copy_of(discount).status, copy_of(discount).problem) == ("current", "")
    assert len(coupons(sandbox.stripe)) == 1


def test_retries_take_longer_each_time_and_end() -> None:
    from procrastinate.jobs import Job

    def wait(attempts: int) -> float | None:
        job = Job(id=1, lock=None, queueing_lock=None, task_name="", queue="", attempts=attempts)
        decision = mirror_jobs.BACKOFF.get_retry_decision(exception=StripeUnavailable(), job=job)
        if decision is None or decision.retry_at is None:
            return None
        return (decision.retry_at - timezone.now()).total_seconds()

    waits = [wait(attempts) or 0 for attempts in range(6)]
    assert waits == sorted(waits)
    assert 3 < waits[0] < 5
    assert 4000 < waits[5] < 4100
    assert wait(6) is None


def test_a_job_delivered_twice_changes_nothing_the_second_time(sandbox: ShopSandbox) -> None:
    tax = make_tax()
    for _delivery in range(3):
        sync(tax)
    assert (len(rates(sandbox.stripe)), asked(sandbox)) == (1, 1)
    change(tax, percentage=7)
    for _delivery in range(3):
        sync(tax)
    assert len(rates(sandbox.stripe)) == 1
    assert asked(sandbox) == 3  # made, and the old one archived


def test_jobs_in_any_order_end_with_what_the_shop_has(sandbox: ShopSandbox) -> None:
    discount = make_discount()
    change(discount, percent_off=30, name="Summer")
    change(discount, percent_off=40, name="Autumn")
    work()  # three jobs, and the first already finds the last state
    (made,) = coupons(sandbox.stripe)
    assert (made.percent_off, made.name, asked(sandbox)) == (40, "Autumn", 1)


def test_what_no_signal_told_of_is_caught_up_with(sandbox: ShopSandbox, settings: Any) -> None:
    tax = make_tax()
    work()
    mirror_jobs.catch_up(0)
    assert jobs() == 0
    Tax.objects.update(percentage=21)
    accounts = two_accounts(sandbox, settings)  # an account that came after the tax
    mirror_jobs.catch_up(0)
    work()
    assert [[rate.percentage for rate in rates(account)] for account in accounts.values()] == [[21], [21]]
    Tax.objects.filter(pk=tax.pk)._raw_delete("default")
    mirror_jobs.catch_up(0)
    work()
    assert [rates(account) for account in accounts.values()] == [[], []]
    assert StripeMirror.objects.count() == 0


def test_what_failed_for_long_is_tried_again_hourly(sandbox: ShopSandbox) -> None:
    make_discount()
    down(sandbox)
    work()
    down(sandbox, 0)
    forget_jobs()  # as if its retries had ended
    mirror_jobs.catch_up(0)
    assert jobs() == 0
    StripeMirror.objects.update(updated=timezone.now() - timedelta(minutes=61))
    mirror_jobs.catch_up(0)
    work()
    assert len(coupons(sandbox.stripe)) == 1


def test_catching_up_is_a_periodic_job_of_the_worker_and_reads_a_constant_number_of_times(
    sandbox: ShopSandbox, django_assert_num_queries: Any
) -> None:
    tasks = [periodic.task.name for periodic in app.periodic_registry.periodic_tasks.values()]
    assert "kopeck.mirror.jobs.catch_up" in tasks
    Discount.objects.bulk_create(Discount(name=f"D{n}", percent_off=n, active=False) for n in range(1, 30))
    with django_assert_num_queries(3):
        mirror_jobs.catch_up(0)


def test_a_job_of_an_account_that_is_not_configured_any_more_does_nothing(sandbox: ShopSandbox) -> None:
    sync(make_tax(), "gbp")
    assert (asked(sandbox), StripeMirror.objects.count()) == (0, 0)
