"""`manage.py reconcile` and its jobs: what they print, how they end, and what they keep."""

import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.reconcile import jobs as reconcile_jobs
from kopeck.reconcile.compare import KINDS
from kopeck.reconcile.models import Discrepancy, Run
from kopeck.stripe_api import listing
from tests.support.buying import bought
from tests.support.comparing import codes, run
from tests.support.mirroring import copy_of, coupons, make_discount, make_tax, sync, two_accounts
from tests.support.shop import ShopSandbox
from tests.support.starting import manage_without_anything
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(*options: str, stderr: io.StringIO | None = None) -> tuple[int, list[str]]:
    out = io.StringIO()
    try:
        call_command("reconcile", *options, stdout=out, stderr=stderr or io.StringIO())
    except SystemExit as end:
        return int(end.code or 0), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def test_nothing_to_tell_is_one_line_and_0(sandbox: ShopSandbox) -> None:
    code, (line,) = told()
    assert code == 0
    assert re.fullmatch(r"default: 0 compared, 0 repaired, 0 left \(\d+\.\d s\)\.", line)


def test_what_is_left_comes_first_and_ends_with_1(sandbox: ShopSandbox, buyer: Client) -> None:
    lost, late = bought(buyer), bought(Client())
    sandbox.pay(lost.stripe_id)
    sandbox.pay(late.stripe_id)
    Payment.objects.filter(pk=lost.pk).delete()
    code, lines = told()
    assert code == 1
    assert re.match(rf"✗ default  unknown_attempt +Order {lost.order_id}: {lost.stripe_id}", lines[0])
    repaired = [line for line in lines[1:-1] if "status_differs" in line]
    assert repaired == [
        f"✓ default  status_differs         Order {late.order_id}: at Stripe {late.stripe_id} is paid, "
        "here it was open; now it is paid."
    ]
    assert re.search(r": \d+ compared, \d+ repaired, 1 left", lines[-1])


def test_a_terminal_gets_a_bar_and_a_file_none(sandbox: ShopSandbox, settings: Any) -> None:
    two_accounts(sandbox, settings)
    screen, file = Terminal(), io.StringIO()
    told(stderr=screen)
    told(stderr=file)
    assert "16/16 eur: every tax rate" in screen.getvalue()
    assert "####" in screen.getvalue()
    assert file.getvalue() == ""


def test_the_log_is_silent_beside_a_bar_and_nowhere_else(
    sandbox: ShopSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="kopeck")
    told(stderr=Terminal())
    assert caplog.messages == []
    told()
    assert any("0 compared" in message for message in caplog.messages)


def test_the_json_is_the_last_line(sandbox: ShopSandbox, buyer: Client) -> None:
    sandbox.pay(bought(buyer).stripe_id)
    _, lines = told("--json")
    answer = json.loads(lines[-1])
    assert {"accounts", "checked", "repaired", "left", "discrepancies"} <= set(answer)
    assert answer["accounts"] == ["default"]
    assert answer["checked"] >= 2
    assert {"account", "code", "kind", "id", "said", "order", "repaired"} == set(answer["discrepancies"][0])


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--account", "gbp"), "There is no account gbp: default."), (("--since", "yesterday"), "2026-11-01")],
)
def test_a_question_that_makes_no_sense_is_a_sentence(
    sandbox: ShopSandbox, options: tuple[str, ...], said: str
) -> None:
    assert said in run(*options)["said"]


def test_with_no_database_it_is_2_and_a_sentence(tmp_path: Path) -> None:
    ended = manage_without_anything(tmp_path, "reconcile")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_the_worker_compares_every_night_and_soon_again_what_was_not(
    sandbox: ShopSandbox, buyer: Client
) -> None:
    from procrastinate.contrib.django import app

    jobs = {task.task.name: task.cron for task in app.periodic_registry.periodic_tasks.values()}
    name = "kopeck.reconcile.jobs.compare_"
    assert jobs[f"{name}again"].split()[1:] == ["*"] * 4
    assert re.fullmatch(r"\d+ \d+ \* \* \*", jobs[f"{name}nightly"])
    forget_jobs()
    sandbox.pay(bought(buyer).stripe_id)
    reconcile_jobs.compare_again.defer(timestamp=0)
    reconcile_jobs.compare_nightly.defer(timestamp=0)
    work()
    assert Order.objects.get().status == "paid"
    # In some minutes of an hour the worker adds its own.
    assert Run.objects.filter(left=0, trouble="").count() == Run.objects.count() >= 2 * len(KINDS)


def test_stripe_away_does_not_fail_the_job(sandbox: ShopSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAUSES", ())
    sandbox.control("PUT", "faults", {"error_rate": 1})
    reconcile_jobs.compare_nightly(0)
    assert Run.objects.filter(trouble="").count() == 0
    assert Run.objects.count() == len(KINDS)


def test_the_nightly_run_looks_a_month_back(sandbox: ShopSandbox, buyer: Client) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    run()
    # A fortnight ago; since then somebody has changed our rows, which a run of the last hours does not see.
    past = 14 * 86400
    sandbox.box.store.sql(
        "UPDATE objects SET created = created - ?, body = json_set(body, '$.created', created - ?)",
        (past, past),
    )
    long_ago = timezone.now() - timedelta(days=14)
    Payment.objects.update(status="expired", paid_at=None, payment_intent="", created=long_ago)
    Order.objects.update(status="expired", paid_at=None)
    call_command("reconcile", stdout=io.StringIO())
    assert Order.objects.get().status == "expired"
    reconcile_jobs.compare_nightly(0)
    assert Order.objects.get().status == "paid"


def test_the_owner_reads_what_is_left_and_since_when(
    sandbox: ShopSandbox, buyer: Client, owner: Client
) -> None:
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    Payment.objects.all().delete()
    run()
    first = Discrepancy.objects.get().first_seen
    run()
    found = Discrepancy.objects.get()
    assert found.first_seen == first < found.last_seen
    page = owner.get("/admin/reconcile/discrepancy/").content.decode()
    assert "Unknown payment of an order" in page
    assert f"/admin/orders/order/{payment.order_id}/why/" in page
    (charge,) = sandbox.charges()
    sandbox.control("POST", f"charges/{charge.id}/refund", {})
    run()
    listed = f"Order {payment.order_id}: "
    assert listed not in owner.get("/admin/reconcile/discrepancy/").content.decode()
    assert listed in owner.get("/admin/reconcile/discrepancy/?state=gone").content.decode()
    assert owner.get("/admin/reconcile/run/").status_code == 200
    assert owner.get("/admin/reconcile/discrepancy/add/").status_code == 403


def test_what_is_left_or_had_trouble_is_compared_again_and_nothing_else(
    sandbox: ShopSandbox, buyer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAUSES", ())

    def again() -> list[str]:
        before = set(Run.objects.values_list("pk", flat=True))
        reconcile_jobs.compare_again(0)
        return sorted(Run.objects.exclude(pk__in=before).values_list("kind", flat=True))

    assert again() == sorted(KINDS)  # none was ever compared
    assert again() == []
    payment = bought(buyer)
    sandbox.pay(payment.stripe_id)
    Payment.objects.filter(pk=payment.pk).delete()
    reconcile_jobs.compare_nightly(0)
    assert again() == ["session"]  # a payment that has no row
    sandbox.control("POST", f"charges/{sandbox.charges()[0].id}/refund", {})
    assert again() == ["session"]
    assert again() == []
    sandbox.control("PUT", "faults", {"error_rate": 1, "only": {"path": "/v1/disputes"}})
    reconcile_jobs.compare_nightly(0)
    assert again() == ["dispute"]
    sandbox.control("PUT", "faults", {"error_rate": 0})
    assert again() == ["dispute"]
    assert again() == []
    Run.objects.filter(kind="order").update(ended=timezone.now() - timedelta(hours=26))
    assert again() == ["order"]


def test_the_command_repairs_coupons_and_tax_rates_and_the_worker_does_not(sandbox: ShopSandbox) -> None:
    discount, tax = make_discount(), make_tax()
    sync(discount)
    sync(tax)
    sandbox.stripe.v1.coupons.delete(copy_of(discount).stripe_id or "")
    reconcile_jobs.compare_nightly(0)
    assert Discrepancy.objects.get(gone=None).code == "missing_at_stripe"
    assert coupons(sandbox.stripe) == []
    answer = run()
    assert (answer["code"], codes(answer, repaired=True)) == (0, ["missing_at_stripe"])
    assert len(coupons(sandbox.stripe)) == 1
    assert not Discrepancy.objects.filter(gone=None).exists()


def test_all_that_differs_of_a_mirrored_object_is_one_discrepancy(sandbox: ShopSandbox) -> None:
    tax = make_tax()
    sync(tax)
    changes = {"display_name": "Sales tax", "jurisdiction": "Elsewhere", "active": False}
    sandbox.stripe.v1.tax_rates.update(copy_of(tax).stripe_id or "", changes)  # type: ignore[arg-type]
    (found,) = run("--dry-run")["discrepancies"]
    for said in ("display_name is 'Sales tax'", "jurisdiction is 'Elsewhere'", "archived at Stripe"):
        assert said in found["said"]
