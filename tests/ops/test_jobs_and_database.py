"""A job that is cut off by a restart of PostgreSQL is tried again, and not given up."""

from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from kopeck.mail import jobs as mail_jobs
from kopeck.mirror import jobs as mirror_jobs
from kopeck.refunds import jobs as refund_jobs
from tests.support.worker import forget_jobs, work

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("work_of", "name", "job"),
    [
        (mirror_jobs.mirror, "sync", "mirror.jobs.sync"),
        (refund_jobs.request, "refund_unwanted", "refunds.jobs.refund_unwanted"),
        (mail_jobs, "deliver", "mail.jobs.send"),
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
        "mirror.jobs.sync": {"account_name": "default", "kind": "coupon", "object_id": 1},
        "refunds.jobs.refund_unwanted": {"payment_id": 1},
        "mail.jobs.send": {"mail_id": 1},
    }
    app.configure_task(f"kopeck.{job}").defer(**words[job])
    work()
    # Its next try is seconds away; a slow machine's worker is still there for it.
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE status = 'todo'")
    work()
    assert done == ["cut off", "done"]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT status, attempts FROM procrastinate_jobs WHERE task_name = %s", [f"kopeck.{job}"]
        )
        assert cursor.fetchall() == [("succeeded", 2)]
    forget_jobs()
