"""A job that is cut off by a restart of PostgreSQL is tried again, and not given up."""

from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from kopeck.payments import mirror_jobs, refund_jobs
from tests.shop.mirroring import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("work_of", "name", "job"),
    [
        (mirror_jobs.copies, "bring", "mirror_jobs.copy"),
        (refund_jobs.refunds, "give_back", "refund_jobs.give_back"),
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
    words = {"account_name": "default", "kind": "coupon", "object_id": 1}
    app.configure_task(f"kopeck.payments.{job}").defer(**(words if "copy" in job else {"payment_id": 1}))
    work()
    with connection.cursor() as cursor:
        mine = "WHERE task_name LIKE %s"
        cursor.execute(
            f"SELECT status, attempts, scheduled_at > now() FROM procrastinate_jobs {mine}", [f"%{job}"]
        )
        assert cursor.fetchall() == [("todo", 1, True)]
        cursor.execute(f"UPDATE procrastinate_jobs SET scheduled_at = now() {mine}", [f"%{job}"])
    work()
    assert done == ["cut off", "done"]
    forget_jobs()
