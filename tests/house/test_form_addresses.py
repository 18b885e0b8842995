"""Every address that a form posts to, asked for by GET: a reload, a bookmark, the address bar.

The forms are those of the pages as they are shown, and each action in a template has to be among them.
"""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from kopeck.catalog.models import Discount
from kopeck.orders.models import Order
from tests.house.test_gets_with_effects import GUARDED, State
from tests.house.test_who_may_open_what import SHOP, admin_rules, people, things
from tests.support.shop import ShopSandbox

__all__ = ["people", "things"]
pytestmark = pytest.mark.django_db(transaction=True)
#: An action in a template, of a form or of a button.
_ACTION = re.compile(r'\b(?:form)?action="(?:{{ at }})?([^"]+)"')
_TAG = re.compile(r"{%\s*if.*?%}.*?{%\s*endif\s*%}|{{.*?}}|{%.*?%}", re.DOTALL)


class Forms(HTMLParser):
    """The addresses that a page's forms post to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.page, self.actions = page, set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and (given.get("method") or "").lower() == "post":
            self.actions.add(urljoin(self.page, given.get("action") or self.page))
        if (given.get("formmethod") or "").lower() == "post":
            self.actions.add(urljoin(self.page, given["formaction"] or self.page))


def forms_of(client: Client, address: str) -> set[str]:
    """The actions on the page at this address; none where there is no page."""
    answer = client.get(address)
    if answer.status_code != 200 or not answer["Content-Type"].startswith("text/html"):
        return set()
    found = Forms(address)
    found.feed(answer.content.decode())
    return {action for action in found.actions if action.startswith("/")}


@pytest.fixture
def posted_to(
    people: dict[str, Client], things: dict[str, Any], sandbox: ShopSandbox
) -> dict[str, tuple[Client, str]]:
    """Action -> who was shown it, and on which page."""
    buyer, owner = people["buyer"], people["owner"]
    owner.force_login(User.objects.get(username="owner"))
    found: dict[str, tuple[Client, str]] = {}

    def look(client: Client, address: str) -> None:
        for action in sorted(forms_of(client, address)):
            found.setdefault(action, (client, address))

    for route, rule in SHOP.items():
        if rule.get != 405 and route not in GUARDED:  # those answer JSON
            look(buyer, rule.address.format(**things))
    # As a link in a mail opens it, in another browser.
    look(Client(), Order.objects.get().link)
    for route, address in admin_rules().items():
        if route != "logout/":
            look(owner, address.format(**things))
    look(people["half"], "/admin/login/")
    return found


def test_the_address_of_every_form_leads_a_get_back_to_the_form_and_changes_nothing(
    posted_to: dict[str, tuple[Client, str]], sandbox: ShopSandbox
) -> None:
    guarded = {SHOP[route].address.partition("{")[0] for route in GUARDED}
    state = State(sandbox)
    before = state.now()
    led_back = set()
    for action, (client, page) in posted_to.items():
        path = urlsplit(action).path
        if path.startswith("/buy/") or path.endswith("/buy"):  # JSON: the contract
            assert any(path.startswith(start) for start in guarded)
            assert client.head(action).status_code == 405
            continue
        head, answer = client.head(action), client.get(action)
        assert (head.status_code, head.get("Location")) == (answer.status_code, answer.get("Location")), (
            action
        )
        assert head.content == b"", action
        assert answer.status_code in (200, 302, 303), f"{action} of {page}: {answer.status_code}"
        if answer.status_code != 200:
            led_back.add(path)
            assert action in forms_of(client, urljoin(action, answer["Location"])), action
    assert state.now() == before
    assert {"/order", "/admin/logout/"} < led_back
    assert (
        len([path for path in led_back if path.endswith(("/lines", "/discount", "/delivery", "/replay/"))])
        == 4
    )
    every_action_in_a_template_is_on_one_of_the_pages(posted_to)


def every_action_in_a_template_is_on_one_of_the_pages(posted_to: dict[str, tuple[Client, str]]) -> None:
    """Said with the test above, for the walk over all pages takes seconds."""
    shown = {urlsplit(action).path for action in posted_to}
    named = {
        "admin:logout": "/admin/logout/",
        "admin:webhooks_stripeevent_replay": "/admin/webhooks/stripeevent/",
    }
    written = set()
    for template in (Path(settings.BASE_DIR) / "kopeck").glob("**/templates/**/*.html"):
        written |= set(_ACTION.findall(template.read_text()))
    written.remove("/search")  # its form asks by GET itself
    assert len(written) >= 7
    for action in written:
        for name, path in named.items():
            action = re.sub(rf"{{%\s*url '{name}'.*?%}}", path, action)
        pattern = _TAG.sub(".*", action)
        assert any(re.fullmatch(pattern, path) or path.startswith(action) for path in shown), action


def test_a_reload_after_a_refused_code_shows_the_order(buyer: Client, things: dict[str, Any]) -> None:
    order = Order.objects.get()
    Discount.objects.update(active=False)
    refused = buyer.post(f"/order/{order.pk}/discount", {"code": "OFF"})
    assert refused.status_code == 422
    again = buyer.get(f"/order/{order.pk}/discount?key={order.key}", follow=True)
    assert again.redirect_chain == [(order.link, 303)]
    assert 'data-order-status="open"' in again.content.decode()


@pytest.mark.parametrize("address", ["/order/{}/lines", "/order/{}/discount"])
def test_strangers_are_led_nowhere(stranger: Client, things: dict[str, Any], address: str) -> None:
    for number in (things["order"], 10**9):
        assert stranger.get(address.format(number)).status_code == 404


@pytest.mark.parametrize("address", ["/order", "/order/{}/lines", "/order/{}/discount"])
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_still_405(
    buyer: Client, things: dict[str, Any], address: str, method: str
) -> None:
    answer = getattr(buyer, method)(address.format(things["order"]))
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD, POST")
