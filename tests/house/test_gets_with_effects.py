"""Every address there is, asked for by GET: which change something, and what of that another site can cause.

The routes come from the resolver by way of `test_who_may_open_what.py`: a new one is tried here by itself.
"""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.web.visitors import VISITOR_COOKIE, Visitor
from tests.house.test_who_may_open_what import SHOP, admin_rules, people, things
from tests.support.shop import ShopSandbox, make_item

__all__ = ["people", "things"]
pytestmark = pytest.mark.django_db(transaction=True)

#: What a browser says of a link, a form or a picture on another site; on a neighbour's subdomain.
FOREIGN = ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"})
#: The same without that header: over plain HTTP, and from browsers of before 2023.
FOREIGN_BY_ADDRESS = ({"Referer": "http://evil.example/page"}, {"Origin": "http://evil.example"})
#: The shop's own page, an address that was typed, a program; the last two without Sec-Fetch-Site.
OWN = (
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {},
    {"Referer": "http://testserver/item/1"},
)
#: The routes whose GET changes something. Another site cannot cause it: these answer 403.
GUARDED = {
    "buy/<int:item_id>",
    "intent/<int:item_id>",
    "order/<int:order_id>/buy",
    "order/<int:order_id>/intent",
}
#: What comes from Checkout and from the bank, and so from another site. It only asks Stripe what is true.
ASKS_STRIPE = {"order/<int:order_id>/return"}
#: Makes the secret that it shows, which counts for nothing before a token has confirmed it.
ADMIN_WITH_EFFECT = {"second-factor/"}


class State:
    """Everything that the shop and the local Stripe know, to be compared with later."""

    def __init__(self, sandbox: ShopSandbox) -> None:
        self.sandbox = sandbox
        names = connection.introspection.table_names()
        # Who is logged in and until when: the tests log in, and no address of the shop changes it.
        self.tables = sorted(set(names) - {"django_session", "auth_user"})

    def now(self) -> dict[str, Any]:
        asked = " UNION ALL ".join(
            f"SELECT '{name}', md5(string_agg(row::text, '|' ORDER BY row::text)) FROM {name} AS row"
            for name in self.tables
        )
        with connection.cursor() as cursor:
            cursor.execute(asked)
            found: dict[str, Any] = dict(cursor.fetchall())
        found["sessions"] = sorted((one.id, one.status) for one in self.sandbox.sessions())
        found["intents"] = sorted(
            (one.id, one.status) for one in self.sandbox.stripe.v1.payment_intents.list().data
        )
        return found


@pytest.fixture
def situation(sandbox: ShopSandbox, buyer: Client) -> dict[str, int]:
    """A buyer who types a card into Checkout for two pieces, paid a moment ago without the shop knowing."""
    item = make_item()
    buyer.get(f"/item/{item.pk}?mine=1")
    visitor = Visitor(buyer.cookies[VISITOR_COOKIE].value).key
    order = placing.place_for_buy(Wanted(item, 2), visitor=visitor)
    buyer.get(f"/order/{order.pk}/buy")
    return {"item": item.pk, "order": order.pk}


def effect_of(client: Client, sandbox: ShopSandbox, address: str, **headers: str) -> tuple[int, set[str]]:
    """The answer's status, and the tables and objects at Stripe that the GET has changed."""
    state = State(sandbox)
    before = state.now()
    status = client.get(address, headers=headers).status_code
    after = state.now()
    return status, {name for name in after if after[name] != before[name]}


@pytest.mark.parametrize("route", SHOP)
def test_a_get_from_our_own_page_has_an_effect_only_where_the_table_says_so(
    route: str, sandbox: ShopSandbox, buyer: Client, situation: dict[str, int]
) -> None:
    if route in ASKS_STRIPE:
        sandbox.pay(sandbox.sessions()[0].id)
    address = SHOP[route].address.format(**situation)
    # Ninety pieces: another order than the one that is being paid.
    _status, changed = effect_of(buyer, sandbox, f"{address}?quantity=90", **OWN[0])
    if route == "order/<int:order_id>/buy":
        assert changed == set()  # the open session is handed out again
        buyer.get(f"/order/{situation['order']}/intent")
        changed = effect_of(buyer, sandbox, address, **OWN[0])[1]
    assert bool(changed) == (route in GUARDED | ASKS_STRIPE), changed


@pytest.mark.parametrize("route", SHOP)
def test_a_get_that_another_site_sends_changes_nothing(
    route: str, sandbox: ShopSandbox, buyer: Client, situation: dict[str, int]
) -> None:
    address = SHOP[route].address.format(**situation)
    if route == "order/<int:order_id>/buy":
        buyer.get(f"/order/{situation['order']}/intent")  # else it has nothing to close
    for headers in (*FOREIGN, *FOREIGN_BY_ADDRESS):
        status, changed = effect_of(buyer, sandbox, f"{address}?quantity=90", **headers)
        if route in GUARDED:
            assert status == 403, headers
        if route in ASKS_STRIPE:
            assert status == 303, headers
        else:
            assert changed == set(), headers


def test_the_admins_gets_change_nothing_but_what_the_table_names(
    people: dict[str, Client], things: dict[str, Any], sandbox: ShopSandbox
) -> None:
    owner = people["owner"]
    for route, address in admin_rules().items():
        owner.force_login(User.objects.get(username="owner"))
        _status, changed = effect_of(owner, sandbox, address.format(**things))
        assert changed == ({"otp_totp_totpdevice"} if route in ADMIN_WITH_EFFECT else set()), route


@pytest.mark.parametrize("headers", OWN, ids=str)
@pytest.mark.parametrize(
    "address", ["/buy/{item}?quantity=2", "/intent/{item}", "/order/{order}/buy", "/order/{order}/intent"]
)
def test_our_own_page_a_typed_address_and_a_program_go_on(
    address: str, headers: dict[str, str], buyer: Client, situation: dict[str, int]
) -> None:
    assert buyer.get(address.format(**situation), headers=headers).status_code == 200


def test_the_refusal_is_a_code_and_a_sentence(buyer: Client, situation: dict[str, int]) -> None:
    answer = buyer.get(f"/buy/{situation['item']}", headers=FOREIGN[0])
    assert answer.json()["error"]["code"] == "foreign_request"
    assert answer.json()["error"]["message"].endswith("Please open the shop itself and try again.")
    assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("headers", [*FOREIGN, *FOREIGN_BY_ADDRESS], ids=str)
def test_the_way_back_from_checkout_and_the_links_in_mails_work_from_anywhere(
    headers: dict[str, str], sandbox: ShopSandbox, buyer: Client, situation: dict[str, int]
) -> None:
    order = Order.objects.get()
    sandbox.pay(sandbox.sessions()[0].id)
    back = buyer.get(f"/order/{order.pk}/return?key={order.key}", headers=headers)
    assert (back.status_code, back["Location"]) == (303, f"/order/{order.pk}")
    page = Client().get(order.link, headers=headers)
    assert 'data-order-status="paid"' in page.content.decode()


@pytest.mark.parametrize("headers", [*FOREIGN, *FOREIGN_BY_ADDRESS], ids=str)
def test_another_sites_link_to_the_pay_page_leads_to_the_orders_page(
    headers: dict[str, str], buyer: Client, situation: dict[str, int]
) -> None:
    """The pay page's script asks for an intent by itself, and that closes the session."""
    order = Order.objects.get()
    answer = buyer.get(f"/order/{order.pk}/pay?key={order.key}", headers=headers)
    assert (answer.status_code, answer["Location"]) == (303, order.link)
    assert buyer.get(f"/order/{order.pk}/pay", headers=OWN[0]).status_code == 200
