"""At 100,000 orders no page and no periodic job reads a large table from end to end.

Every page and job is found by the registries (bench/lists.py), so a new one is among them by itself.
"""

import sys
from collections.abc import Iterator

import pytest
from django.core.management.base import OutputWrapper
from django.db import connection

from bench import lists, seed
from kopeck.reconcile.management.progress import Bar
from tests.support.serving import database_url

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

ORDERS = 100_000


@pytest.fixture
def _old_shop() -> Iterator[None]:
    """Its events are all kept: the worker would leave too few of them to be a large table."""
    seed.seed(database_url(), ORDERS, Bar(OutputWrapper(sys.stderr)), event_days=400)
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(rows.table for rows in seed.read())} CASCADE")


@pytest.mark.usefixtures("_old_shop")
def test_no_page_and_no_job_reads_a_large_table_from_end_to_end() -> None:
    looked_at, whole = {}, []
    for name, seen in lists.look(analyze=False):
        looked_at[name] = seen.statements
        whole += [f"{name}: {statement}" for statement in seen.whole]
    assert not whole, "\n".join(whole)
    names = set(looked_at)
    assert {"admin order", "admin order next page", "admin mail search ^to", "/", "/api/v1/items"} <= names
    assert {"job ops.jobs.tidy", "job reconcile.jobs.compare_nightly", "/metrics"} <= names
    assert looked_at["job reconcile.jobs.compare_nightly"] > 20
