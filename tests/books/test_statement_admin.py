"""A statement is asked for in the admin, made by the worker, and downloaded by who may."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from kopeck.books import jobs
from kopeck.books.models import Statement
from kopeck.money import CURRENCIES
from kopeck.ops import jobs as ops_jobs
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox
from tests.support.worker import forget_jobs, wait_for_retries, work

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/books/statement/"


@pytest.fixture(autouse=True)
def _empty_queue(db: None) -> None:
    forget_jobs()


def ask(owner: Client, **days: str) -> Any:
    today = timezone.localdate()
    usual = {"since": f"{today - timedelta(days=1)}", "until": f"{today + timedelta(days=1)}"}
    return owner.post(f"{LIST}add/", usual | days)


def test_the_owner_asks_for_a_statement_and_downloads_it(
    sandbox: ShopSandbox, buyer: Client, owner: Client, deliver: Any
) -> None:
    order = paid_order(sandbox, buyer, deliver)
    assert ask(owner).status_code == 302
    made = Statement.objects.get()
    assert (made.status, made.made_by) == ("waiting", "owner")
    assert owner.get(f"{LIST}{made.pk}/file/").status_code == 404
    work()
    made.refresh_from_db()
    assert (made.status, made.rows) == ("ready", 3)
    page = owner.get(f"{LIST}{made.pk}/change/").content.decode()
    for told in ("Sales", ">48.20<", "Stripe&#x27;s fees", ">-1.70<", "Closing balance", ">46.50<"):
        assert told.lower() in page.lower(), told
    answer = owner.get(f"{LIST}{made.pk}/file/")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == f'attachment; filename="{made.file_name}"'
    assert "no-store" in answer["Cache-Control"]
    text = answer.content.decode("utf-8-sig")
    assert f"sale,{order.pk}," in text
    assert made.file_name in owner.get(LIST).content.decode()


def test_days_that_are_wrong_are_refused(owner: Client) -> None:
    for days, said in (
        ({"since": "2026-11-30", "until": "2026-11-01"}, "The last day is before the first day."),
        ({"since": "2026-11-31"}, "Enter a valid date."),
        ({"since": "0001-01-01"}, "A statement begins in 2010 at the earliest"),
        ({"until": "9999-12-31"}, "A statement begins in 2010 at the earliest"),
        ({"until": ""}, "This field is required."),
    ):
        assert said in ask(owner, **days).content.decode()
    assert Statement.objects.count() == 0


def test_a_stripe_that_is_away_makes_it_fail_with_a_sentence_and_it_can_be_made_again(
    sandbox: ShopSandbox, owner: Client
) -> None:
    sandbox.control("PUT", "faults", {"error_rate": 1})
    ask(owner)
    work()
    failed = Statement.objects.get()
    assert (failed.status, failed.file, bool(failed.problem)) == ("failed", None, True)
    sandbox.control("PUT", "faults", {"error_rate": 0})
    said = owner.post(LIST, {"action": "make_again", "_selected_action": failed.pk}, follow=True)
    assert "1 statement is made again." in said.content.decode()
    work()
    failed.refresh_from_db()
    assert (failed.status, failed.problem) == ("ready", "")


def test_a_defect_makes_it_fail_with_its_words_in_place_of_being_made_for_ever(
    sandbox: ShopSandbox, owner: Client, buyer: Client, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_order(sandbox, buyer, deliver)
    ask(owner)
    with monkeypatch.context() as patch:
        patch.delitem(CURRENCIES, "usd")
        work()
    failed = Statement.objects.get()
    assert failed.status == "failed"
    assert failed.problem == "MoneyError: Stripe takes no payments in the currency 'usd'."
    owner.post(LIST, {"action": "make_again", "_selected_action": failed.pk})
    work()
    assert Statement.objects.get().status == "ready"


def test_a_restart_of_the_database_leaves_it_to_the_next_try(
    sandbox: ShopSandbox, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_what: Any) -> None:
        raise OperationalError("The database is away.")

    ask(owner)
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "write", away)
        work()
    assert Statement.objects.get().status == "waiting"
    wait_for_retries()
    work()
    assert Statement.objects.get().status == "ready"


def test_a_database_that_always_fails_at_it_makes_it_fail_in_the_end(
    sandbox: ShopSandbox, owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_what: Any) -> None:
        raise OperationalError("No space is left for this.")

    ask(owner)
    monkeypatch.setattr(jobs, "write", full)
    states = []
    for _try in range(7):
        work()
        states.append(Statement.objects.get().status)
        wait_for_retries()
    assert states == ["waiting"] * 5 + ["failed"] * 2
    assert Statement.objects.get().problem == "OperationalError: No space is left for this."


def test_only_who_may_view_statements_downloads_them_and_only_who_may_add_them_asks(
    sandbox: ShopSandbox, owner: Client
) -> None:
    ask(owner)
    work()
    address = f"{LIST}{Statement.objects.get().pk}/file/"
    user = User.objects.create_user("accountant", is_staff=True)
    client = Client()
    client.force_login(user)
    assert (client.get(address).status_code, ask(client).status_code) == (403, 403)
    user.user_permissions.add(Permission.objects.get(codename="view_statement"))
    assert (client.get(address).status_code, ask(client).status_code) == (200, 403)
    user.user_permissions.add(Permission.objects.get(codename="add_statement"))
    assert ask(client).status_code == 302


def test_statements_are_kept_for_ninety_days(owner: Client, sandbox: ShopSandbox) -> None:
    for _time in range(2):
        ask(owner)
    work()
    old = Statement.objects.latest("pk")
    Statement.objects.filter(pk=old.pk).update(created=timezone.now() - timedelta(days=91))
    assert ops_jobs.forget()["statements"] == 1
    assert Statement.objects.exclude(pk=old.pk).count() == Statement.objects.count() == 1
