"""Lists of long tables: each page begins where the last one ended, and a search finds the ids first."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import timezone

from kopeck.orders.models import Order
from kopeck.payments.models import Payment
from kopeck.staff import lists
from kopeck.webhooks.models import StripeEvent

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"


@pytest.fixture(autouse=True)
def _any_table_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "LONG", -1)
    monkeypatch.setattr(admin.site._registry[Order], "list_per_page", 10)


def make_orders(number: int, **facts: Any) -> list[int]:
    """Their numbers, the newest first; sales, unless `facts` say otherwise."""
    usual = {"currency": "usd", "subtotal": 100, "total": 100, "status": "paid", "paid_at": timezone.now()}
    made = [
        Order.objects.create(**{**usual, "email": f"Buyer{n}@shop.example", **facts}) for n in range(number)
    ]
    return [order.pk for order in reversed(made)]


def page(owner: Client, address: str) -> Any:
    answer = owner.get(address)
    assert answer.status_code == 200, answer
    return answer.context["cl"]


def numbers(shown: Any) -> list[int]:
    return [row.pk for row in shown.result_list]


def walk(owner: Client, address: str, way: str = "older_url") -> list[list[int]]:
    pages = []
    while address:
        shown = page(owner, address)
        pages.append(numbers(shown))
        address = getattr(shown, way) and LIST + getattr(shown, way)
    return pages


def test_the_pages_show_every_order_once_and_lead_back(owner: Client) -> None:
    made = make_orders(25)
    pages = walk(owner, LIST)
    assert pages == [made[:10], made[10:20], made[20:]]
    back = walk(owner, f"{LIST}?p=after-{made[19]}", "newer_url")
    assert back == [made[20:], made[10:20], made[:10]]


@pytest.mark.parametrize("column", ["6", "-6", "2", "-2", "1", "-1"])
def test_every_column_with_an_index_sorts_and_equals_are_told_once(owner: Client, column: str) -> None:
    numbers = make_orders(25)
    for number in numbers:
        Order.objects.filter(pk=number).update(created=datetime(2026, 1, 1 + number % 3, tzinfo=UTC))
    Order.objects.filter(pk__in=numbers[::2]).update(status="refunded")
    names = ["", "id", "status", "", "", "", "created"]
    found = [number for part in walk(owner, f"{LIST}?o={column}") for number in part]
    sign = "-" if column.startswith("-") else ""
    order = [f"{sign}{names[int(column.lstrip('-'))]}", f"{sign}pk"]
    assert found == list(Order.objects.order_by(*order).values_list("pk", flat=True))


def test_a_column_without_an_index_does_not_sort(owner: Client) -> None:
    made = make_orders(5)
    answer = owner.get(f"{LIST}?o=-5")
    assert numbers(answer.context["cl"]) == made
    heads = re.findall(r'<th scope="col" class="([^"]*)"', answer.content.decode())
    sortable = [re.findall(r"column-\w+", head) for head in heads if "sortable" in head]
    assert sortable == [["column-number"], ["column-state"], ["column-created"]]


def test_filter_and_page_go_together_and_a_row_that_is_gone_leads_to_the_whole_list(owner: Client) -> None:
    euros, dollars = make_orders(15, currency="eur"), make_orders(15)
    first = page(owner, f"{LIST}?currency=eur")
    assert numbers(first) == euros[:10]
    assert numbers(page(owner, LIST + first.older_url)) == euros[10:]
    assert numbers(page(owner, f"{LIST}?p=after-{dollars[-1]}")) == euros[:10]
    gone = owner.get(f"{LIST}?o=6&p=after-{dollars[0] + 1}")
    assert gone.status_code == 302
    assert gone["Location"].endswith("?e=1")
    assert numbers(page(owner, f"{LIST}?p=nonsense")) == dollars[:10]


def test_many_rows_are_told_by_the_planner_and_few_are_counted(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_orders(12, status="open", paid_at=None)
    monkeypatch.setattr(lists, "about", lambda rows: 12_000_000)
    answer = owner.get(LIST)
    assert re.sub(r"\s+", " ", answer.content.decode()).count("about 12000000 orders") == 1
    monkeypatch.setattr(lists, "about", lambda rows: 3)
    assert page(owner, f"{LIST}?status=open").result_count == 12


def test_a_short_list_has_numbered_pages_and_sorts_by_every_column(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "LONG", 20_000)
    made = make_orders(25)
    assert numbers(page(owner, f"{LIST}?p=3")) == made[20:]
    Order.objects.filter(pk=made[7]).update(subtotal=900, total=900)
    assert numbers(page(owner, f"{LIST}?o=-5"))[0] == made[7]


def test_an_order_is_found_by_its_number_stripes_ids_and_how_its_address_begins(owner: Client) -> None:
    made = make_orders(12)
    Payment.objects.create(
        order_id=made[3], account="default", stripe_id="cs_1", payment_intent="pi_1", amount=100, attempt=1,
        currency="usd", status="expired", inputs={}, fingerprint="", expires_at=timezone.now(),
    )  # fmt: skip

    def found(words: str) -> list[int]:
        return numbers(page(owner, f"{LIST}?q={words}"))

    assert found(str(made[5])) == [made[5]]
    assert found("cs_1") == found("pi_1") == found("pi_1 cs_1") == [made[3]]
    assert found("bUYER1") == [made[0], made[1], made[10]]
    assert found("buyer1@") == [made[10]]
    assert found("shop.example") == found("%25") == found("buyer_") == found("9" * 30) == []


def test_who_searches_for_too_little_is_told_so(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "FOUND", 5)
    make_orders(12)
    answer = owner.get(f"{LIST}?q=buyer")
    assert "More than 5 rows match" in answer.content.decode()
    assert len(numbers(answer.context["cl"])) == 5


def test_a_filter_offers_the_values_that_there_are(owner: Client) -> None:
    for number, type in enumerate(["refund.created", "charge.updated", "refund.created", "charge.failed"]):
        StripeEvent.objects.create(
            account="default", event_id=f"evt_{number}", type=type, payload={}, created=timezone.now()
        )
    shown = page(owner, "/admin/webhooks/stripeevent/")
    (by_type,) = (spec for spec in shown.filter_specs if spec.title == "type")
    offered = [choice["display"] for choice in by_type.choices(shown)]
    assert offered == ["All", "charge.failed", "charge.updated", "refund.created"]
