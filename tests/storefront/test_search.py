"""Search by name: typing errors are forgiven, what is unlike is not found, and long answers are pages."""

import time

import pytest
from django.db import connection
from django.test import Client

from kopeck.catalog.models import Item
from kopeck.storefront import search
from kopeck.storefront.goods import PAGE
from kopeck.storefront.search import MOST_FOUND, find
from tests.storefront.test_pages_of_window import link, shelve, shown
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ["Moka pot, three cups", "Brass bicycle bell", "Iron teapot “Hail”", "Tin of tea", "Ärmel für Öfen"]


@pytest.fixture
def goods() -> list[Item]:
    return [make_item(name=name, position=n) for n, name in enumerate(NAMES)]


def found(question: str) -> list[str]:
    return [Item.objects.get(pk=number).name for number in find(question)]


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("bycicle", ["Brass bicycle bell"]),
        ("teapto", ["Iron teapot “Hail”"]),
        ("MOKA  cups", ["Moka pot, three cups"]),
        ("moca", ["Moka pot, three cups"]),
        ("tea", ["Iron teapot “Hail”", "Tin of tea"]),
        ("iron tea", ["Iron teapot “Hail”"]),
        ("ärmel", ["Ärmel für Öfen"]),
        ("tea bell", []),
        ("xyz", []),
        ("“”, !", []),
        ("\x00", []),
    ],
)
def test_a_name_is_found_by_what_is_like_it(goods: list[Item], question: str, names: list[str]) -> None:
    assert found(question) == names


def test_what_fits_best_comes_first(goods: list[Item]) -> None:
    make_item(name="Teabot", position=0)
    assert found("teapot") == ["Iron teapot “Hail”", "Teabot"]


def test_what_is_new_renamed_or_taken_off_sale_is_known_at_once(goods: list[Item]) -> None:
    assert found("lamp") == []
    lamp = make_item(name="Lamp")
    assert found("lamp") == ["Lamp"]
    Item.objects.filter(pk=lamp.pk).update(name="Lantern")
    assert (found("lamp"), found("lantern")) == ([], ["Lantern"])
    Item.objects.filter(pk=lamp.pk).update(active=False)
    assert found("lantern") == []


def test_a_change_that_was_committed_late_is_known_after_half_a_minute(
    goods: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    found("tea")
    with connection.cursor() as cursor:  # as if the names had been read before the commit was seen
        cursor.execute("ALTER TABLE catalog_item DISABLE TRIGGER kept_pages")
        Item.objects.filter(name="Tin of tea").update(name="Tin of coffee")
        cursor.execute("ALTER TABLE catalog_item ENABLE TRIGGER kept_pages")
    assert found("coffee") == []
    monkeypatch.setattr(search, "FRESH", 0.0)
    assert found("coffee") == ["Tin of coffee"]


def test_the_page_shows_what_was_found_with_ones_own_quantities(buyer: Client, goods: list[Item]) -> None:
    buyer.post("/order", {f"item_{goods[2].pk}": "2", f"item_{goods[0].pk}": "1"})
    answer = buyer.get("/search", {"q": "teapto"})
    page = answer.content.decode()
    assert shown(page) == [goods[2].pk]
    assert f'name="item_{goods[2].pk}" value="2"' in page
    assert f'type="hidden" name="item_{goods[0].pk}" value="1"' in page
    assert answer["Cache-Control"] == "private, no-cache"
    nothing = buyer.get("/search", {"q": "<b>xyz"}).content.decode()
    assert "Nothing here is called “&lt;b&gt;xyz”" in nothing
    assert buyer.get("/search", {"q": " "})["Location"] == "/"


def test_many_are_shown_by_pages(buyer: Client) -> None:
    items = shelve(PAGE + 3)
    page = buyer.get("/search", {"q": "good"}).content.decode()
    later = link(page, "next").replace("&amp;", "&")
    assert shown(page) == [item.pk for item in items[:PAGE]]
    second = buyer.get(later).content.decode()
    assert shown(second) == [item.pk for item in items[PAGE:]]
    assert link(second, "prev").replace("&amp;", "&") == "/search?q=good&page=1"


@pytest.mark.slow
def test_ten_thousand_names_are_searched_in_a_moment(buyer: Client) -> None:
    shelve(10_000)
    find("warm")
    began = time.process_time()
    assert len(find("god")) == MOST_FOUND
    assert time.process_time() - began < 1.0
