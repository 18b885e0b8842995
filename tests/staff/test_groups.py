"""The groups that the shop comes with: what each may open and do, page by page. They are the owner's."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.urls import reverse

from kopeck.catalog.models import Discount, Item
from kopeck.mail.models import Mail
from kopeck.orders.models import Order
from kopeck.staff.groups import GROUPS, make_groups
from kopeck.staff.models import Grant
from tests.house.test_who_may_open_what import MODELS
from tests.house.test_who_may_open_what import people as people
from tests.house.test_who_may_open_what import things as things

pytestmark = pytest.mark.django_db

CATALOG = "catalog/item catalog/discount catalog/tax catalog/shippingrate"
MONEY = "orders/order payments/payment refunds/refund refunds/dispute"
#: Of each group the models that it may see, change, add and delete. Admin may do all.
SEE = {
    "Seller": f"{CATALOG} {MONEY} orders/shipment mail/mail webhooks/stripeevent mirror/stripemirror"
    " reconcile/discrepancy reconcile/run abuse/attack abuse/decline books/statement",
    "Support": f"{CATALOG} {MONEY} orders/shipment mail/mail",
    "Accountant": f"{CATALOG} {MONEY} reconcile/discrepancy reconcile/run admin/logentry books/statement",
}
CHANGE = {"Seller": f"{CATALOG} orders/shipment", "Support": "", "Accountant": ""}
ADD_OR_DELETE = {"Seller": CATALOG, "Support": "", "Accountant": ""}
#: The actions of lists. Admin has every one that there is.
ACTIONS = {
    "Seller": {
        "catalog.item": {"delete_selected", "archive", "bring_back", "export"},
        **{f"catalog.{name}": {"delete_selected"} for name in ("discount", "tax", "shippingrate")},
        "orders.order": {"mark_sent", "refund_orders", "resend_receipts", "export_orders"},
        "mail.mail": {"send_again"},
        "webhooks.stripeevent": {"replay"},
        "mirror.stripemirror": {"try_again"},
        "books.statement": {"make_again"},
    },
    "Support": {
        "catalog.item": {"export"},
        "orders.order": {"resend_receipts", "export_orders"},
        "mail.mail": {"send_again"},
    },
    "Accountant": {
        "catalog.item": {"export"},
        "orders.order": {"export_orders"},
        "books.statement": {"delete_selected", "make_again"},
    },
}
#: Pages and actions that are no model's list or form: who gets there.
PAGES = {
    "/admin/catalog/item/import/": "Seller Admin",
    "/admin/catalog/item/export/": "Seller Support Accountant Admin",
    "/admin/orders/order/{order}/refund/": "Seller Admin",
    "/admin/payments/payment/{payment}/refund/": "Seller Admin",
    "/admin/orders/order/{order}/why/": "Seller Support Accountant Admin",
    "/admin/webhooks/stripeevent/{event}/replay/": "Seller Admin",
    "/admin/auth/user/{user}/password/": "Admin",
    "/admin/books/statement/add/": "Seller Accountant Admin",
    "/admin/forget/?order={order}": "Admin",
    "/admin/": "Seller Support Accountant Admin",
    "/admin/password_change/": "Seller Support Accountant Admin",
}


def member(group: str) -> Client:
    make_groups()
    user = User.objects.create_user(group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("group", list(GROUPS))
def test_each_group_opens_its_pages_and_no_others(group: str, people: Any, things: dict[str, Any]) -> None:
    client = member(group)

    def opens(address: str) -> bool:
        status = client.get(address.format(**things)).status_code
        assert status in (200, 302, 403), f"{group} {address}: {status}"
        return status != 403

    wrong = []
    for model in MODELS:
        # Whose second factor it is stays with superusers; a log, jobs and log-ins are only looked at.
        if group == "Admin" and model.partition("/")[0] in ("otp_totp", "axes", "procrastinate", "admin"):
            continue
        pk, all_of = MODELS.get(model, "1"), group == "Admin"
        may_see = all_of or model in SEE[group].split()
        wrong += [f"see {model}"] if opens(f"/admin/{model}/") != may_see else []
        if pk == "1" or (all_of and not model.startswith("catalog/")):
            continue  # there is none, or it is a page that nobody may change
        may_edit = all_of or model in ADD_OR_DELETE[group].split()
        for page in ("add", f"{pk}/delete"):
            wrong += [f"{page} {model}"] if opens(f"/admin/{model}/{page}/") != may_edit else []
        form = client.get(f"/admin/{model}/{pk}/change/".format(**things)).content
        may_change = all_of or model in CHANGE[group].split()
        wrong += [f"change {model}"] if (b'name="_save"' in form) != may_change else []
    wrong += [address for address, who in PAGES.items() if opens(address) != (group in who.split())]
    assert wrong == []


def actions_of(user: User) -> dict[str, set[str]]:
    request = RequestFactory().get("/admin/")
    request.user = user
    shown = {model: desk for model, desk in admin.site._registry.items() if desk.has_view_permission(request)}
    found = {model._meta.label_lower: {*desk.get_actions(request)} for model, desk in shown.items()}
    return {label: actions for label, actions in found.items() if actions}


@pytest.mark.parametrize("group", list(GROUPS))
def test_each_group_has_its_actions_and_no_others(group: str) -> None:
    member(group)
    found = actions_of(User.objects.get(username=group.lower()))
    all_there_are = actions_of(User.objects.create_superuser("owner"))
    del all_there_are["otp_totp.totpdevice"]  # who lost theirs asks a superuser
    assert found == (all_there_are if group == "Admin" else ACTIONS[group])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("group", list(GROUPS))
def test_each_group_does_what_it_may_and_nothing_else(
    group: str, people: Any, things: dict[str, Any]
) -> None:
    client, order = member(group), Order.objects.get(pk=things["order"])
    facts = {"kind": Mail.Kind.RECEIPT, "to": "a@b.example", "status": Mail.Status.FAILED}
    mail = Mail.objects.create(order=order, payment_id=things["payment"], **facts)

    def act(model: str, action: str, pk: int) -> None:
        form = {"action": action, "_selected_action": str(pk), "post": "yes"}
        client.post(f"/admin/{model}/", form)

    act("catalog/item", "archive", things["item"])
    assert Item.objects.get().active is (group not in ("Seller", "Admin"))
    act("catalog/discount", "delete_selected", things["discount"])
    assert Discount.objects.exists() is (group not in ("Seller", "Admin"))
    Discount.objects.get_or_create(name="Off", code="OFF", defaults={"percent_off": 10})
    act("mail/mail", "send_again", mail.pk)
    mail.refresh_from_db()
    assert (mail.status != Mail.Status.FAILED) is (group != "Accountant")
    # Refunds: the form and the button of a payment in review, by POST.
    for address in (f"orders/order/{order.pk}/refund/", f"payments/payment/{things['payment']}/refund/"):
        status = client.post(f"/admin/{address}", {"action": "refund"}).status_code
        assert (status == 403) is (group in ("Support", "Accountant")), address
    # An unpaid order may be changed for a buyer who asks for it.
    status = client.post(f"/order/{order.pk}/discount", {"code": "OFF"}).status_code
    assert (status == 403) is (group == "Accountant")
    # Nobody makes themselves more than they are.
    me = User.objects.get(username=group.lower())
    client.post(f"/admin/auth/user/{me.pk}/change/", {"username": me.username, "is_superuser": "on"})
    me.refresh_from_db()
    assert not me.is_superuser or group == "Admin"


def test_migrating_makes_them_once_and_again_changes_nothing() -> None:
    Group.objects.all().delete()
    Grant.objects.all().delete()
    call_command("migrate", verbosity=0)
    assert {*Group.objects.values_list("name", flat=True)} == {*GROUPS}
    assert Group.objects.get(name="Admin").permissions.count() == Permission.objects.count()
    before = sorted(Group.permissions.through.objects.values_list("group", "permission"))
    call_command("migrate", verbosity=0)
    assert sorted(Group.permissions.through.objects.values_list("group", "permission")) == before


def test_what_the_owner_took_away_or_gave_stays_so() -> None:
    make_groups()
    support, seller, admin = (Group.objects.get(name=name) for name in ("Support", "Seller", "Admin"))
    taken, given = (Permission.objects.get(codename=name) for name in ("view_payment", "add_user"))
    support.permissions.remove(taken)
    support.permissions.add(given)
    seller.name = "Shop assistants"
    seller.save()
    admin.delete()
    make_groups()
    assert taken not in support.permissions.all()
    assert given in support.permissions.all()
    assert {*Group.objects.values_list("name", flat=True)} == {"Shop assistants", "Support", "Accountant"}


def test_what_a_later_version_brings_is_given_and_nothing_else() -> None:
    make_groups()
    support = Group.objects.get(name="Support")
    new, taken = (Permission.objects.get(codename=name) for name in ("view_refund", "view_payment"))
    support.permissions.remove(new, taken)
    Grant.objects.filter(group="Support", permission="refunds.view_refund").delete()  # as if it were new
    make_groups()
    assert new in support.permissions.all()
    assert taken not in support.permissions.all()


def test_every_word_of_the_table_is_a_permission_that_there_is() -> None:
    labels = {
        f"{one.content_type.app_label}.{one.codename}"
        for one in Permission.objects.select_related("content_type")
    }
    for name, may in GROUPS.items():
        for model, words in may.items():
            app, _dot, of = model.partition(".")
            wanted = {f"{app}.{word}_{of}" for word in words.split() if word != "*"}
            assert wanted <= labels, name


def test_the_owner_sees_them_in_the_admin(owner: Client) -> None:
    make_groups()
    page = owner.get(reverse("admin:auth_group_changelist")).content.decode()
    assert all(name in page for name in GROUPS)


def test_what_a_group_may_do_is_chosen_in_the_language_of_the_desk(owner: Client) -> None:
    make_groups()
    number, account = Group.objects.get(name="Seller").pk, User.objects.get(username="owner").pk
    for address in (f"/admin/auth/group/{number}/change/", f"/admin/auth/user/{account}/change/"):
        page = owner.get(address).content.decode()
        assert ">Order | Can view</option>" in page
        assert ">Order | Can remove a buyer&#x27;s personal data</option>" in page
        page = owner.get(address, headers={"accept-language": "ru"}).content.decode()
        assert ">Заказ | смотреть</option>" in page
        assert ">Заказ | удалять персональные данные покупателя</option>" in page
        assert "Can " not in page


def test_no_two_permissions_of_a_form_look_the_same(owner: Client) -> None:
    page = owner.get("/admin/auth/group/add/", headers={"accept-language": "ru"}).content.decode()
    named = re.findall(r'<option value="\d+">([^<]*)</option>', page)
    assert len(set(named)) == len(named) == Permission.objects.count()
