"""Every address there is, asked for by everybody, with GET and POST, against the table below.

The addresses come from the resolver: one that is added without a line here makes the test fail.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.urls import get_resolver
from django.utils import timezone
from django_otp.plugins.otp_totp.models import TOTPDevice

from kopeck.catalog.models import Discount, Tax
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.shipment import Shipment
from kopeck.orders.wanted import Wanted
from kopeck.payments.models import Payment
from kopeck.web.visitors import VISITOR_COOKIE, Visitor
from kopeck.webhooks.models import StripeEvent
from tests.support.shop import ShopSandbox, make_item, make_rate

pytestmark = pytest.mark.django_db(transaction=True)

#: Staff and what they may do in the admin; an owner may do all, and half an owner has not given the token.
STAFF: dict[str, list[str]] = {
    "clerk": [],
    "reader": ["view_order"],
    "editor": ["view_order", "change_order"],
    "owner": [],
    "half": [],
}
ALL = "stranger buyer other clerk reader editor owner half"
#: Who may read an order, and who may change, cancel or pay it.
READERS, CHANGERS = "buyer reader editor owner", "buyer editor owner"
EMAIL = "private-buyer@example.com"


class Rule(NamedTuple):
    """Who may GET and POST; a number where everybody gets that status.

    Who may not gets 404: nobody learns that the order exists. Who may read it at least gets 403.
    """

    address: str
    get: str | int
    post: str | int


SHOP = {
    "": Rule("/", ALL, 405),
    "after/<int:item_id>": Rule("/after/{item}", ALL, 405),
    "search": Rule("/search?q=pot", ALL, 405),
    "item/<int:item_id>": Rule("/item/{item}", ALL, 405),
    "buy/<int:item_id>": Rule("/buy/{item}", ALL, ALL),
    "intent/<int:item_id>": Rule("/intent/{item}", ALL, 405),
    "item/by_order/<int:item_id>": Rule("/item/by_order/{item}", ALL, 405),
    "order": Rule("/order", ALL, ALL),
    "cart": Rule("/cart", ALL, 405),
    "orders": Rule("/orders", ALL, 405),
    "orders/open": Rule("/orders/open", ALL, 405),
    "order/<int:order_id>": Rule("/order/{order}", READERS, 405),
    "order/<int:order_id>/lines": Rule("/order/{order}/lines", READERS, CHANGERS),
    "order/<int:order_id>/discount": Rule("/order/{order}/discount", READERS, CHANGERS),
    "order/<int:order_id>/delivery": Rule("/order/{order}/delivery", READERS, CHANGERS),
    "order/<int:order_id>/buy": Rule("/order/{order}/buy", CHANGERS, CHANGERS),
    "order/<int:order_id>/intent": Rule("/order/{order}/intent", CHANGERS, 405),
    "order/<int:order_id>/pay": Rule("/order/{order}/pay", CHANGERS, 405),
    "order/<int:order_id>/return": Rule("/order/{order}/return", READERS, 405),
    "webhooks/stripe/<slug:account_name>": Rule("/webhooks/stripe/default", 405, 400),
    "api/v1/openapi.json": Rule("/api/v1/openapi.json", ALL, ALL),
    "api/v1/docs": Rule("/api/v1/docs", ALL, ALL),
    "api/v1/": Rule("/api/v1/", 404, 404),
    "api/v1/items": Rule("/api/v1/items", ALL, 405),
    "api/v1/items/<int:item_id>": Rule("/api/v1/items/{item}", ALL, 405),
    "api/v1/stock": Rule("/api/v1/stock", 401, 405),  # for tokens alone, as each 401 below
    "api/v1/items/<int:item_id>/stock": Rule("/api/v1/items/{item}/stock", 405, 401),
    "api/v1/orders": Rule("/api/v1/orders", ALL, 400),
    "api/v1/orders/<int:order_id>": Rule("/api/v1/orders/{order}", READERS, 405),
    "api/v1/orders/<int:order_id>/checkout": Rule("/api/v1/orders/{order}/checkout", 405, CHANGERS),
    "api/v1/orders/<int:order_id>/intent": Rule("/api/v1/orders/{order}/intent", 405, CHANGERS),
    "api/v1/orders/<int:order_id>/cancel": Rule("/api/v1/orders/{order}/cancel", 405, CHANGERS),
    "api/v1/orders/<int:order_id>/refunds": Rule("/api/v1/orders/{order}/refunds", READERS, 401),
    "api/v1/orders/<int:order_id>/shipment": Rule("/api/v1/orders/{order}/shipment", 405, 401),
    "api/v1/items/<int:item_id>/orders": Rule("/api/v1/items/{item}/orders", ALL, 405),
    "healthz": Rule("/healthz", ALL, 405),
    "readyz": Rule("/readyz", ALL, 405),
    "metrics": Rule("/metrics", 401, 405),  # without its token, which the test sets
    "sitemap.xml": Rule("/sitemap.xml", ALL, 405),
    "favicon.ico": Rule("/favicon.ico", ALL, 405),
    "robots.txt": Rule("/robots.txt", ALL, 405),
    "media/<path:path>": Rule("/media/items/nothing.webp", 404, 405),
}
#: Addresses of the admin that are no model's. Strangers are sent to its log-in, but for these:
ADMIN = {
    "": "/admin/",
    "login/": "/admin/login/",
    "logout/": "/admin/logout/",
    "password_change/": "/admin/password_change/",
    "password_change/done/": "/admin/password_change/done/",
    "autocomplete/": "/admin/autocomplete/",
    "jsi18n/": "/admin/jsi18n/",
    "r/<path:content_type_id>/<path:object_id>/": "/admin/r/1/1/",
    "second-factor/": "/admin/second-factor/",
    "second-factor/token/": "/admin/second-factor/token/",
    "forget/": "/admin/forget/?order={order}",
    "(?P<url>.*)$": "/admin/anything",
    "orders/order/<int:order_id>/refund/": "/admin/orders/order/{order}/refund/",
    "orders/order/<int:order_id>/why/": "/admin/orders/order/{order}/why/",
    "auth/user/<id>/password/": "/admin/auth/user/{user}/password/",
    "payments/payment/<int:payment_id>/refund/": "/admin/payments/payment/{payment}/refund/",
    "books/statement/<int:statement_id>/file/": "/admin/books/statement/1/file/",
    "webhooks/stripeevent/<int:event_id>/replay/": "/admin/webhooks/stripeevent/{event}/replay/",
    "catalog/item/import/": "/admin/catalog/item/import/",
    "catalog/item/export/": "/admin/catalog/item/export/",
}
OPEN_IN_ADMIN = {"login/"}
#: What of the admin every member of staff may open, whatever they may do with the models.
FOR_ALL_STAFF = set(ADMIN) - {
    "orders/order/<int:order_id>/refund/",
    "orders/order/<int:order_id>/why/",
    "auth/user/<id>/password/",
    "autocomplete/",
    "books/statement/<int:statement_id>/file/",
    "forget/",
    "payments/payment/<int:payment_id>/refund/",
    "webhooks/stripeevent/<int:event_id>/replay/",
    "catalog/item/import/",
    "catalog/item/export/",
}
MODELS = {
    "admin/logentry": "1",
    "auth/group": "{group}",
    "auth/user": "{user}",
    "procrastinate/procrastinatejob": "1",
    "axes/accessattempt": "1",
    "axes/accesslog": "1",
    "otp_totp/totpdevice": "{device}",
    "catalog/item": "{item}",
    "catalog/discount": "{discount}",
    "catalog/tax": "{tax}",
    "catalog/shippingrate": "{rate}",
    "orders/order": "{order}",
    "orders/shipment": "{shipment}",
    "payments/payment": "{payment}",
    "webhooks/stripeevent": "{event}",
    "mirror/stripemirror": "1",
    "refunds/refund": "1",
    "refunds/dispute": "1",
    "reconcile/discrepancy": "1",
    "reconcile/run": "1",
    "abuse/attack": "1",
    "abuse/decline": "1",
    "mail/mail": "1",
    "books/statement": "1",
    "api/token": "1",
    "outgoing/endpoint": "1",
    "outgoing/delivery": "1",
}
OF_A_MODEL = ("", "add/", "{id}/history/", "{id}/delete/", "{id}/change/", "{id}/")


def routes() -> list[str]:
    """Every route that the shop answers to, as the resolver has it."""

    def walk(resolver: Any, before: str = "") -> Iterator[str]:
        for pattern in resolver.url_patterns:
            whole = before + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                yield from walk(pattern, whole)
            else:
                yield whole

    return list(walk(get_resolver()))


def admin_rules() -> dict[str, str]:
    """Route -> address of the whole admin, from the two tables above."""
    rules = dict(ADMIN)
    for model, pk in MODELS.items():
        for page in OF_A_MODEL:
            rules[f"{model}/{page.replace('{id}', '<path:object_id>')}"] = f"/admin/{model}/" + page.replace(
                "{id}", pk
            )
        rules[f"{model.partition('/')[0]}/"] = f"/admin/{model.partition('/')[0]}/"
    return rules


def test_every_address_has_its_line_and_every_line_its_address() -> None:
    admin = admin_rules()
    expected = set(SHOP) | {f"admin/{route}" for route in admin}
    found: set[str] = set()
    for route in routes():
        apps = re.fullmatch(r"admin/\^\(\?P<app_label>([\w|]+)\)/\$", route)
        found |= {f"admin/{app}/" for app in apps[1].split("|")} if apps else {route}
    assert found - expected == set(), "who may open these? Say so in the tables of this file"
    assert expected - found == set()


@pytest.fixture
def people(buyer: Client, sandbox: ShopSandbox, settings: Any) -> dict[str, Client]:
    settings.METRICS_TOKEN = "not given by any of them"
    for name, may in STAFF.items():
        user = User.objects.create_user(name, is_staff=True, is_superuser=name in ("owner", "half"))
        user.user_permissions.set(Permission.objects.filter(codename__in=may))
    TOTPDevice.objects.create(user=User.objects.get(username="half"), confirmed=True)
    return {
        "buyer": buyer,
        **{name: Client(raise_request_exception=False) for name in ALL.split() if name != "buyer"},
    }


@pytest.fixture
def things(buyer: Client, people: dict[str, Client]) -> dict[str, Any]:
    """One of everything, the order being the buyer's."""
    rate = make_rate()
    item = make_item(shipped=True)
    for client in (buyer, people["other"]):
        client.get(f"/item/{item.pk}?mine=1")
    visitor = Visitor(buyer.cookies[VISITOR_COOKIE].value).key
    order = placing.place([Wanted(item, 2)], visitor=visitor)
    Order.objects.update(email=EMAIL)
    buyer.get(f"/order/{order.pk}/buy")
    return {
        "item": item.pk,
        "order": order.pk,
        "payment": Payment.objects.get().pk,
        "event": StripeEvent.objects.create(
            event_id="evt_1", type="customer.created", payload={}, created=timezone.now()
        ).pk,
        "user": User.objects.get(username="clerk").pk,
        "group": Group.objects.create(name="readers").pk,
        "device": TOTPDevice.objects.get().pk,
        "tax": Tax.objects.create(display_name="VAT", percentage="20").pk,
        "shipment": Shipment.to(order, {"name": "Ada"}).pk,
        "rate": rate.pk,
        "discount": Discount.objects.create(name="Off", code="OFF", percent_off="10").pk,
    }


class Asked:
    """Asks as one of the people, logged in again where the last answer has logged them out."""

    def __init__(self, people: dict[str, Client], things: dict[str, Any]) -> None:
        self.people, self.things = people, things
        self.before = self.state()
        self.key = Order.objects.get(pk=things["order"]).key
        self.stripe_id = Payment.objects.earliest("pk").stripe_id or EMAIL

    def state(self) -> list[Any]:
        order = Order.objects.filter(pk=self.things["order"])
        return [
            list(order.values()),
            list(order.get().lines.order_by("pk").values()),
            list(User.objects.order_by("pk").values_list("pk", "password")),
        ]

    def ask(self, who: str, method: str, address: str) -> Any:
        client = self.people[who]
        session = client.cookies.get(settings.SESSION_COOKIE_NAME)
        if who in STAFF and not (session and session.value):
            client.force_login(User.objects.get(username=who))
        return getattr(client, method)(address.format(**self.things))

    def learns_nothing(self, answer: Any, where: str) -> None:
        text = b"".join(answer) if answer.streaming else answer.content
        for private in (EMAIL, self.key, self.stripe_id):
            assert private.encode() not in text, f"{private}: {where}"
            assert private not in answer.headers.get("Location", ""), where

    def learns_no_key(self, answer: Any, where: str) -> None:
        """The key is enough to change the order: only those who may do so see it."""
        text = b"".join(answer) if answer.streaming else answer.content
        assert self.key.encode() not in text, where
        assert self.key not in answer.headers.get("Location", ""), where


def test_the_shops_addresses_open_for_whom_they_should(
    people: dict[str, Client], things: dict[str, Any]
) -> None:
    asked = Asked(people, things)
    for rule in SHOP.values():
        for method in ("get", "post"):
            allowed: str | int = getattr(rule, method)
            # Last those who may change the order.
            for who in sorted(ALL.split(), key=CHANGERS.split().__contains__):
                answer, where = asked.ask(who, method, rule.address), f"{who} {method} {rule.address}"
                if isinstance(allowed, int):
                    assert answer.status_code == allowed, where
                elif who in allowed.split():
                    assert answer.status_code < 500, where
                    assert answer.status_code not in (401, 403, 404, 405), where
                else:
                    assert answer.status_code == (403 if who in READERS.split() else 404), where
                if who not in READERS.split():
                    asked.learns_nothing(answer, where)
                if who not in CHANGERS.split():
                    asked.learns_no_key(answer, where)
                    if method == "post" and "order/" in rule.address:
                        assert asked.state() == asked.before, where
            asked.before = asked.state()


def test_the_admin_is_shut_to_all_but_staff_with_their_second_factor(
    people: dict[str, Client], things: dict[str, Any]
) -> None:
    asked = Asked(people, things)
    for route, address in admin_rules().items():
        for method in ("get", "post"):
            for who in ("stranger", "buyer", "other"):
                answer, where = asked.ask(who, method, address), f"{who} {method} {address}"
                asked.learns_nothing(answer, where)
                if route in OPEN_IN_ADMIN:
                    assert answer.status_code == 200, where
                else:
                    assert answer.status_code == 302, where
                    # Django leads who logs out without being logged in to the first page, and from there on.
                    assert answer.url.startswith("/admin/login/") or route == "logout/", where
    assert asked.state() == asked.before


def test_half_logged_in_every_address_of_the_admin_leads_to_the_token(
    people: dict[str, Client], things: dict[str, Any]
) -> None:
    asked = Asked(people, things)
    for route, address in admin_rules().items():
        if route in ("login/", "logout/", "jsi18n/", "second-factor/token/"):
            continue
        for method in ("get", "post"):
            answer, where = asked.ask("half", method, address), f"half {method} {address}"
            assert answer.status_code == 302, where
            assert answer.url.startswith("/admin/second-factor/token/"), where
    assert asked.state() == asked.before


def test_a_clerk_without_permissions_opens_nothing_of_the_models(
    people: dict[str, Client], things: dict[str, Any]
) -> None:
    asked = Asked(people, things)
    for route, address in admin_rules().items():
        for method in ("get", "post"):
            answer, where = asked.ask("clerk", method, address), f"clerk {method} {address}"
            assert answer.status_code < 500, where
            if route not in FOR_ALL_STAFF:
                # 302: to the page of an object, or back from one that is not there.
                assert answer.status_code in (302, 403, 404, 405), where
                asked.learns_nothing(answer, where)
    assert asked.state() == asked.before


def test_the_owner_opens_all_of_the_admin_and_an_empty_form_breaks_nothing(
    people: dict[str, Client], things: dict[str, Any]
) -> None:
    asked = Asked(people, things)
    for address in admin_rules().values():
        for method in ("get", "post"):
            answer, where = asked.ask("owner", method, address), f"owner {method} {address}"
            assert answer.status_code < 500, where
            assert not answer.headers.get("Location", "").startswith("/admin/login/"), where
    assert Order.objects.filter(pk=things["order"]).exists()
