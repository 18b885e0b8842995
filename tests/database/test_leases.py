"""Leases: of many one works on a row, for as long as it may be believed alive; tried on a payment's row."""

from datetime import datetime, timedelta

import pytest
from django.db.models import Q
from django.utils import timezone

from kopeck.database.leases import is_free
from kopeck.orders import placing
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db
LENGTH, SECOND = timedelta(seconds=15), timedelta(seconds=1)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The time is the only element, and stands still."""
    now = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: now[0])
    return now


@pytest.fixture
def row(clock: list[datetime]) -> Payment:
    order = placing.place([Wanted(make_item(), 1)], visitor="visitor")
    return Payment.objects.create(
        order=order, account="default", amount=order.total, currency=order.currency, attempt=1, inputs={},
        fingerprint=order.terms, expires_at=clock[0],
    )  # fmt: skip


def again(row: Payment) -> Payment:
    return Payment.objects.get(pk=row.pk)


def test_one_of_two_claims_a_row_and_the_other_finds_it_leased(row: Payment) -> None:
    other = again(row)
    assert not row.is_leased
    assert row.claim(LENGTH, problem="asked")
    assert (row.is_leased, row.problem) == (True, "asked")
    assert not other.claim(LENGTH, problem="asked twice")
    assert (other.lease_until, other.problem) == (None, "")
    assert (again(row).lease_until, again(row).problem) == (row.lease_until, "asked")
    assert not Payment.objects.filter(is_free()).exists()


def test_a_lease_ends_by_itself_at_its_very_moment(row: Payment, clock: list[datetime]) -> None:
    other = again(row)
    assert row.claim(LENGTH)
    clock[0] += LENGTH - SECOND
    assert row.is_leased
    assert not other.claim(LENGTH)
    clock[0] += SECOND
    assert not row.is_leased
    assert Payment.objects.filter(is_free()).get() == row
    assert other.claim(LENGTH)


def test_a_row_that_is_not_as_it_was_is_not_claimed(row: Payment) -> None:
    Payment.objects.update(status="refused")
    assert not row.claim(LENGTH, Q(status="creating"))
    assert again(row).lease_until is None
    assert row.claim(LENGTH, Q(status="refused"))


def test_who_was_overtaken_writes_nothing(row: Payment, clock: list[datetime]) -> None:
    late, other = row, again(row)
    assert late.claim(LENGTH)
    clock[0] += LENGTH
    assert other.claim(LENGTH)
    assert not late.release(problem="late")
    assert (again(row).problem, again(row).is_leased) == ("", True)
    assert other.release(problem="done")
    assert (again(row).problem, again(row).lease_until) == ("done", None)
    assert not other.release(problem="twice")
