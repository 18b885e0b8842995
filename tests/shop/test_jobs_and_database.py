"""A job that is cut off by a restart of PostgreSQL is tried again, and not given up."""

from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from kopeck.payments import mail_jobs, mirror_jobs, refund_jobs
from tests.shop.mirroring import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("work_of", "name", "job"),
    [
        (mirror_jobs.copies, "bring", "mirror_jobs.copy"),
        (refund_jobs.refunds, "give_back", "refund_jobs.give_back"),
        (mail_jobs, "deliver", "mail_jobs.send"),
    ],
)
def test_a_job_whose_database_goes_away_is_done_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, work_of: Any, name: str, job: str
) -> None:
    done = []

    def first_cut_off(*_args: Any) -> None:
        with connection.cursor() as cursor:
            if not done:
                done.append("cut off")
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
            cursor.execute("SELECT 1")
        done.append("done")

    forget_jobs()
    monkeypatch.setattr(work_of, name, first_cut_off)
    words: dict[str, dict[str, Any]] = {
        "mirror_jobs.copy": {"account_name": "default", "kind": "coupon", "object_id": 1},
        "refund_jobs.give_back": {"payment_id": 1},
        "mail_jobs.send": {"mail_id": 1},
    }
    app.configure_task(f"kopeck.payments.{job}").defer(**words[job])
    work()
    # Its next try is seconds away; a slow machine's worker is still there for it.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    work()
    assert done == ["cut off", "done"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, attempts FROM procrastinate_jobs WHERE task_name = %s", [f"kopeck.payments.{job}"]
        )
        assert cursor.fetchall() == [("succeeded", 2)]
    forget_jobs()
