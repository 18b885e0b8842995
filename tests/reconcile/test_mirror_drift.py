"""What was changed at Stripe itself is noticed by the worker within a day and told by `/metrics`."""

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from procrastinate.contrib.django import app
from prometheus_client.parser import text_string_to_metric_families

from kopeck.mirror import jobs as mirror_jobs
from kopeck.mirror.models import StripeMirror
from kopeck.ops import metrics_page
from kopeck.reconcile import jobs as reconcile_jobs
from kopeck.reconcile.models import Run
from tests.support.mirroring import copy_of, coupons, down, make_discount, sync, two_accounts
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


def told() -> tuple[dict[str, float], float | None]:
    """Discrepancies by account and kind, and the age of the comparison, as `/metrics` tells them."""
    metrics_page.shop.asked = float("-inf")
    text = Client().get("/metrics").content.decode()
    metrics_page.shop.asked = float("-inf")
    samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
    found = {f"{s.labels['account']} {s.labels['kind']}": s.value for s in samples
             if s.name == "kopeck_mirror_discrepancies"}  # fmt: skip
    ages = [s.value for s in samples if s.name == "kopeck_mirror_check_age_seconds"]
    return found, ages[0] if ages else None


def a_day_goes_by() -> None:
    Run.objects.update(ended=timezone.now() - reconcile_jobs.OVERDUE - timedelta(seconds=1))


def asked_for_lists(caplog: pytest.LogCaptureFixture) -> int:
    """How often the coupons, or the tax rates, of an account were read."""
    calls = [record.getMessage() for record in caplog.records if record.name == "kopeck.stripe"]
    return len([call for call in calls if re.search(r"(coupons|tax_rates)\.list ", call)])


def test_a_coupon_deleted_at_stripe_is_told_within_a_day_and_until_it_is_repaired(
    sandbox: ShopSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    discount = make_discount()
    sync(discount)
    reconcile_jobs.compare_again(0)
    none = {"default coupon": 0, "default tax_rate": 0}
    assert told()[0] == none
    deleted = copy_of(discount).stripe_id or ""
    sandbox.stripe.v1.coupons.delete(deleted)
    mirror_jobs.catch_up(0)  # reads our notes only, which know nothing of it
    assert StripeMirror.objects.get().status == "current"
    a_day_goes_by()
    with caplog.at_level(logging.WARNING):
        reconcile_jobs.compare_again(0)
    assert told()[0] == none | {"default coupon": 1}
    assert f"{deleted}): Stripe knows it no more" in caplog.text
    assert coupons(sandbox.stripe) == []  # looking changes nothing
    call_command("mirror", "--repair")
    assert told()[0] == none
    assert len(coupons(sandbox.stripe)) == 1


def test_stripe_is_read_once_a_day_and_at_every_look_while_something_differs(
    sandbox: ShopSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    discount = make_discount()
    sync(discount)
    with caplog.at_level(logging.INFO, "kopeck.stripe"):
        reconcile_jobs.compare_again(0)
        assert asked_for_lists(caplog) == 2  # coupons, tax rates
        reconcile_jobs.compare_again(0)
        assert asked_for_lists(caplog) == 2
        sandbox.stripe.v1.coupons.delete(copy_of(discount).stripe_id or "")
        a_day_goes_by()
        reconcile_jobs.compare_again(0)
        assert asked_for_lists(caplog) == 4
        reconcile_jobs.compare_again(0)
        assert asked_for_lists(caplog) == 5  # coupons, of which one is missing
        StripeMirror.objects.update(status="doubtful")
        sync(discount)
        reconcile_jobs.compare_again(0)
        reconcile_jobs.compare_again(0)
        assert asked_for_lists(caplog) == 6
    assert told()[0] == {"default coupon": 0, "default tax_rate": 0}


def test_while_one_account_never_answered_no_age_is_told(sandbox: ShopSandbox, settings: Any) -> None:
    assert told() == ({}, None)
    down(sandbox)
    reconcile_jobs.compare_again(0)
    assert told()[1] is None
    down(sandbox, 0)
    reconcile_jobs.compare_again(0)
    age = told()[1]
    assert age is not None
    assert age < 600
    two_accounts(sandbox, settings)
    down(sandbox)
    reconcile_jobs.compare_again(0)
    assert told()[1] is None
    down(sandbox, 0)
    reconcile_jobs.compare_again(0)
    assert told()[1] is not None


def test_an_account_that_stops_answering_ages_with_what_was_found(sandbox: ShopSandbox) -> None:
    sync(make_discount())
    sandbox.stripe.v1.coupons.delete(StripeMirror.objects.get().stripe_id or "")
    reconcile_jobs.compare_again(0)
    a_day_goes_by()
    down(sandbox)
    reconcile_jobs.compare_again(0)
    found, age = told()
    assert found["default coupon"] == 1
    assert age is not None
    assert age > 86_400


def test_an_account_that_is_not_configured_any_more_is_told_no_more(
    sandbox: ShopSandbox, settings: Any
) -> None:
    default = settings.STRIPE_ACCOUNTS
    two_accounts(sandbox, settings)
    reconcile_jobs.compare_again(0)
    assert set(told()[0]) == {"default coupon", "default tax_rate", "eur coupon", "eur tax_rate"}
    settings.STRIPE_ACCOUNTS = default
    reconcile_jobs.compare_again(0)
    assert set(told()[0]) == {"default coupon", "default tax_rate"}


def test_the_look_is_a_periodic_job_of_the_worker(sandbox: ShopSandbox) -> None:
    crons = [found.cron for found in app.periodic_registry.periodic_tasks.values()
             if found.task.name == "kopeck.reconcile.jobs.compare_again"]  # fmt: skip
    assert crons == ["11,31,51 * * * *"]
    forget_jobs()
    reconcile_jobs.compare_again.defer(timestamp=0)
    work()
    assert set(told()[0]) == {"default coupon", "default tax_rate"}
    forget_jobs()
