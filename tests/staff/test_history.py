"""Who changed what, from what to what: items, prices, taxes, accounts, groups, and what is done to orders."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.utils.html import strip_tags

from kopeck.catalog.models import Discount, Item, Tax
from kopeck.orders.models import Order
from kopeck.staff.history import changes
from tests.support.buying import Deliver, paid_order
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db


def told(number: int = 0) -> list[str]:
    """What the newest entry says, or an older one."""
    entry = LogEntry.objects.order_by("-pk")[number]
    return [
        f"{one.said}: {one.before} -> {one.after}" if one.has_values else one.said for one in changes(entry)
    ]


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", strip_tags(answer.content.decode().replace("<", " <")))


def test_a_form_of_an_item_is_told_value_by_value(owner: Client) -> None:
    item = make_item(price=4820, stock=None)
    data = {"name": "Tall pot", "description": item.description, "price": "50", "currency": "usd"}
    owner.post(f"/admin/catalog/item/{item.pk}/change/", data | {"stock": "4", "position": "0"})
    assert told() == [
        "Name: Moka pot -> Tall pot",
        "Price: 48.20 -> 50.00",
        "Stock: – -> 4",
        "On sale: yes -> no",
    ]
    page = words(owner.get(f"/admin/catalog/item/{item.pk}/history/"))
    assert "owner" in page
    assert "Price: 48.20 → now 50.00" in page
    assert "Price: 48.20 → now 50.00" in words(owner.get("/admin/admin/logentry/"))


def test_a_price_in_the_list_and_the_archive_are_told(owner: Client) -> None:
    item = make_item(price=6800, currency="jpy")
    row = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(item.pk), "_save": "Save"}
    row |= {"form-0-price": "7000", "form-0-position": "0", "form-0-active": "on"}
    owner.post("/admin/catalog/item/", row)
    assert told() == ["Price: 6800 -> 7000"]
    owner.post("/admin/catalog/item/", {"action": "archive", "_selected_action": str(item.pk)})
    assert told() == ["On sale: yes -> no"]


def test_discounts_taxes_and_rates_are_told(owner: Client) -> None:
    tax = Tax.objects.create(display_name="VAT", percentage=Decimal("20"), country="DE")
    data = {"display_name": "VAT", "percentage": "8.875", "country": "US", "state": "NY", "active": "on"}
    owner.post(f"/admin/catalog/tax/{tax.pk}/change/", data)
    assert told() == ["Percentage: 20 -> 8.875", "Country: DE -> US", "State: – -> NY"]
    off = Discount.objects.create(name="Off", amount_off=500, currency="usd")
    data = {"name": "Off", "amount_off": "7.50", "currency": "usd", "active": "on"}
    data |= {"valid_until_0": "2030-01-02", "valid_until_1": "12:00"}
    owner.post(f"/admin/catalog/discount/{off.pk}/change/", data)
    assert told() == ["Amount off: 5.00 -> 7.50", "Valid until: – -> 2030-01-02 12:00 UTC"]
    rate = make_rate(countries=["DE"])
    data = {"name": "Post", "amount": "4.90", "currency": "usd", "countries": "FR, AT", "active": "on"}
    owner.post(f"/admin/catalog/shippingrate/{rate.pk}/change/", data)
    assert told() == ["Name: Standard delivery -> Post", "Countries: DE -> AT, FR"]


def test_groups_and_accounts_are_told_and_no_password(owner: Client) -> None:
    group = Group.objects.create(name="Packers")
    may = Permission.objects.get(codename="view_order")
    owner.post(f"/admin/auth/group/{group.pk}/change/", {"name": "Packers", "permissions": [may.pk]})
    assert told() == [f"Permissions: – -> {may}"]
    clerk = User.objects.create_user("clerk", password="old-Passw0rd-of-theirs")
    data = {"username": "clerk", "is_active": "on", "is_staff": "on", "groups": [group.pk]}
    data |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"}
    owner.post(f"/admin/auth/user/{clerk.pk}/change/", data)
    assert "Staff status: no -> yes" in told()
    assert "Groups: – -> Packers" in told()
    new = "Another-Passw0rd-9"
    owner.post(f"/admin/auth/user/{clerk.pk}/password/", {"password1": new, "password2": new})
    assert all(new not in entry.change_message for entry in LogEntry.objects.all())
    assert told() == ["Changed password."]


@pytest.mark.django_db(transaction=True)
def test_what_is_done_to_an_order_is_told(
    owner: Client, sandbox: ShopSandbox, buyer: Client, deliver: Deliver
) -> None:
    make_item()
    paid_order(sandbox, buyer, deliver)
    order = Order.objects.get()
    owner.post(f"/admin/orders/order/{order.pk}/why/", {"action": "ask"})
    assert told() == ["Asked Stripe."]
    assert "Asked Stripe." in words(owner.get(f"/admin/orders/order/{order.pk}/history/"))


def test_an_account_with_a_history_is_not_deleted(owner: Client) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True, is_superuser=True)
    idle = User.objects.create_user("idle")
    item = make_item()
    client = Client()
    client.force_login(clerk)
    client.post("/admin/catalog/item/", {"action": "archive", "_selected_action": str(item.pk)})
    for account, is_there in ((clerk, True), (idle, False)):
        page = words(owner.get(f"/admin/auth/user/{account.pk}/delete/"))
        assert ("has changed things" in page) is is_there
        owner.post(f"/admin/auth/user/{account.pk}/delete/", {"post": "yes"})
        assert User.objects.filter(pk=account.pk).exists() is is_there
    assert LogEntry.objects.filter(user=clerk).exists()


def test_the_list_is_read_and_never_changed(owner: Client) -> None:
    item = make_item()
    owner.post("/admin/catalog/item/", {"action": "archive", "_selected_action": str(item.pk)})
    entry = LogEntry.objects.get()
    assert "Moka pot" in words(owner.get("/admin/admin/logentry/?what=catalog.item"))
    for empty in ("?what=orders.order", "?what=no.model", "?what=x", "?q=nobody"):
        assert "Moka pot" not in words(owner.get(f"/admin/admin/logentry/{empty}")), empty
    assert "Moka pot" in words(owner.get(f"/admin/admin/logentry/?q={item.pk}"))
    for page in ("add/", f"{entry.pk}/delete/"):
        assert owner.get(f"/admin/admin/logentry/{page}").status_code == 403
    assert owner.get(f"/admin/admin/logentry/{entry.pk}/change/").status_code == 200


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Changed by hand.",
        "[]",
        '[{"changed": {"fields": ["Name"]}}]',
        '[{"added": {}}]',
        "[{",
    ],
)
def test_any_entry_says_something(owner: Client, message: str) -> None:
    kind = ContentType.objects.get_for_model(Item)
    user = User.objects.get()
    entry = LogEntry.objects.create(
        user=user, content_type=kind, object_id="1", object_repr="<b>", action_flag=2, change_message=message
    )
    assert all(one.said for one in changes(entry))
    assert owner.get("/admin/admin/logentry/").status_code == 200


def test_the_history_of_one_object_is_found_by_an_index() -> None:
    user = User.objects.create(username="busy")
    item, other = (ContentType.objects.get_for_model(model) for model in (Item, Order))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_admin_log (action_time, user_id, content_type_id, object_id, object_repr,"
            " action_flag, change_message)"
            " SELECT now(), %s, %s, n, 'x', 2, '' FROM generate_series(1, 20000) n",
            [user.pk, other.pk],
        )
        cursor.execute("ANALYZE django_admin_log")
    rows = LogEntry.objects.filter(object_id="77", content_type=other).order_by("action_time")
    assert "history_of_one_object" in rows.explain()
    assert item != other
