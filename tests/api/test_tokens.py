"""Tokens of programs: made in the admin, shown once, held against scope and end, and cheap to ask about."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, RequestFactory
from django.utils import timezone

from kopeck.api.models import Scope, Token, hash_of
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from tests.support.programs import Program, make_token
from tests.support.shop import make_item
from tests.support.statements import statements

pytestmark = pytest.mark.django_db(transaction=True)

FORM = {"name": "Warehouse", "scopes": ["orders:read"], "ends_0": "2100-01-01", "ends_1": "12:00:00"}
ADD = "/admin/api/token/add/"


def secret_in(page: str) -> str:
    """The token that the page shows."""
    return page.partition("Authorization: Bearer ")[2].partition("<")[0]


def order_of_somebody() -> Order:
    return placing.place([Wanted(make_item(), 1)], visitor="v" * 64)


def test_a_token_is_shown_once_and_kept_as_a_hash(owner: Client) -> None:
    page = owner.post(ADD, FORM)
    token = secret_in(page.content.decode())
    assert token.startswith("kpk_")
    assert len(token) > 40
    row = Token.objects.get()
    assert (row.digest, row.prefix, row.made_by) == (hash_of(token), token[:10], "owner")
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM api_token AS t")
        ((stored,),) = cursor.fetchall()
    assert token not in stored
    for address in ("/admin/api/token/", f"/admin/api/token/{row.pk}/change/", ADD):
        shown = owner.get(address).content.decode()
        assert token not in shown
        assert (token[:10] in shown) == (address != ADD)
    assert Program(token).get(f"/api/v1/orders/{order_of_somebody().pk}").status_code == 200


def test_a_token_is_narrowed_and_ended_in_the_admin(owner: Client) -> None:
    token = make_token("orders:read", "orders:write")
    row, order = Token.objects.get(), order_of_somebody()
    assert Program(token).get(f"/api/v1/orders/{order.pk}").status_code == 200
    change = f"/admin/api/token/{row.pk}/change/"
    assert owner.post(change, {**FORM, "scopes": ["orders:write"]}).status_code == 302
    refused = Program(token).get(f"/api/v1/orders/{order.pk}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope_missing")
    assert "orders:read" in refused.json()["error"]["message"]
    owner.post(change, {**FORM, "ends_0": "2020-01-01"})
    ended = Program(token).get(f"/api/v1/orders/{order.pk}")
    assert (ended.status_code, ended.json()["error"]["code"]) == (401, "token_ended")
    assert ended["WWW-Authenticate"] == "Bearer"
    owner.post(f"/admin/api/token/{row.pk}/delete/", {"post": "yes"})
    gone = Program(token).get(f"/api/v1/orders/{order.pk}")
    assert (gone.status_code, gone.json()["error"]["code"]) == (401, "token_unknown")


def test_staff_hand_on_no_scope_that_they_lack_themselves(db: None) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["add_token", "view_order"]))
    client = Client()
    client.force_login(clerk)
    page = client.get(ADD).content.decode()
    assert "orders:read" in page
    assert "refunds:write" not in page
    assert client.post(ADD, {**FORM, "scopes": ["orders:read", "refunds:write"]}).status_code == 200
    assert not Token.objects.exists()
    client.post(ADD, FORM)
    assert Token.objects.get().scopes == ["orders:read"]


def test_a_form_offers_the_scopes_of_who_asked_though_others_ask_meanwhile(
    owner: Client, rf: RequestFactory
) -> None:
    """Each request has a thread of its own, and they all make their forms of one class."""
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["add_token", "view_order"]))
    forms = []
    for user in (clerk, User.objects.get(username="owner")):
        request = rf.get(ADD)
        request.user = user
        forms.append(admin.site.get_model_admin(Token).get_form(request))
    offered = [[scope for scope, _label in form().fields["scopes"].choices] for form in forms]
    assert offered == [["orders:read"], Scope.values]


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer kpk_", "Bearer kpk_nobody-has-this", "Basic a3BrXzphCg==", "kpk_x",
     "Bearer " + "kpk_" + "a" * 5000, "Bearer kpk_\xe9", "Bearer sk_test_x", "Bearer kpk_a kpk_b"],
)  # fmt: skip
def test_what_is_no_token_is_401_and_nothing_is_done(header: str) -> None:
    item = make_item()
    client = Client(raise_request_exception=False)
    body = json.dumps({"lines": [{"item": item.pk}]})
    answer = client.post("/api/v1/orders", body, "application/json", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_unknown")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert not Order.objects.exists()


def test_a_token_needs_no_cookie_and_gets_none() -> None:
    program = Program(make_token("orders:read", "orders:write"))
    made = program.post("/api/v1/orders", {"lines": [{"item": make_item().pk}]})
    assert made.status_code == 201
    assert not made.cookies
    # Its order is no browser's: only the link and tokens open it.
    assert Order.objects.get().visitor == ""
    assert program.get(f"/api/v1/orders/{made.json()['id']}").json() == made.json()
    assert Client().get(f"/api/v1/orders/{made.json()['id']}").status_code == 404


def test_another_sites_page_may_use_a_token_that_it_was_given_and_never_our_cookie(buyer: Client) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}
    order = {"lines": [{"item": make_item().pk}]}
    assert Program(make_token("orders:write")).post("/api/v1/orders", order, **foreign).status_code == 201
    answer = buyer.post("/api/v1/orders", json.dumps(order), "application/json", headers=foreign)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_request")


def test_all_orders_of_an_item_are_a_tokens_to_read() -> None:
    order = order_of_somebody()
    item = order.goods[0].item_number
    assert Client().get(f"/api/v1/items/{item}/orders").json()["orders"] == []
    (found,) = Program(make_token("orders:read")).get(f"/api/v1/items/{item}/orders").json()["orders"]
    assert found["id"] == order.pk
    refused = Program(make_token("orders:write")).get(f"/api/v1/items/{item}/orders")
    assert refused.json()["error"]["code"] == "scope_missing"


def test_a_program_has_no_budget_of_visitors(settings: Any) -> None:
    from kopeck.abuse.rates import Rate

    settings.BUDGET_ADDRESS = settings.BUDGET_VISITOR = Rate(1, 2**31)
    program, order = Program(make_token("orders:write")), {"lines": [{"item": make_item().pk}]}
    assert [program.post("/api/v1/orders", order).status_code for _n in range(3)] == [201] * 3
    plain = Client(raise_request_exception=False)
    answers = [
        plain.post("/api/v1/orders", json.dumps(order), "application/json").status_code for _n in range(2)
    ]
    assert answers == [201, 429]


def test_a_token_costs_one_small_query_and_its_use_is_noted_once_a_minute() -> None:
    program, item = Program(make_token("orders:read")), make_item()
    with statements() as sent:
        assert Client().get(f"/api/v1/items/{item.pk}/orders").status_code == 200
    without = len(sent)

    def asked() -> int:
        with statements() as sent:
            assert program.get(f"/api/v1/items/{item.pk}/orders").status_code == 200
        return len(sent) - without

    # Without a visitor there was one statement less.
    first, again = asked(), asked()
    assert first == again + 1
    noted = Token.objects.get().last_used
    assert noted is not None
    Token.objects.update(last_used=timezone.now() - timedelta(seconds=61))
    assert asked() == first
    assert Token.objects.get().last_used > noted
    with statements() as sent:
        program.get(f"/api/v1/items/{item.pk}/orders")
    assert len([one for one in sent if "api_token" in one]) == 1


def test_every_scope_has_its_permission() -> None:
    from kopeck.api.models import GRANTED_BY

    assert set(GRANTED_BY) == set(Scope)
    names = {f"{one.content_type.app_label}.{one.codename}" for one in Permission.objects.all()}
    assert set(GRANTED_BY.values()) <= names
