"""The desk wears the shop's colours, its menu says the daily things first, and every field has a name."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from kopeck.web.templatetags.desk import named
from tests.support.shop import make_item

STATIC = Path("kopeck/web/static")


def test_the_desk_has_the_colours_of_the_shop() -> None:
    shop, desk = (STATIC / "kopeck.css").read_text(), (STATIC / "admin.css").read_text()
    light, dark = shop.partition("@media (prefers-color-scheme: dark)")[::2]
    of_light, of_dark = (
        dict(re.findall(r"--([\w-]+): (#\w+);", part)) for part in (light, dark.partition("\n}")[0])
    )
    ours = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", desk)
    shared = [one for one in ours if one[0] in of_light]
    assert len(shared) >= 12
    assert shared == [(name, of_light[name], of_dark[name]) for name, _light, _dark in shared]


@pytest.mark.django_db
def test_the_menu_begins_with_the_sellers_things_and_ends_with_the_system(owner: Client) -> None:
    page = owner.get("/admin/orders/order/").content.decode()
    menu = page.partition('id="side-menu"')[2].partition("</nav>")[0]
    places = [menu.index(f'href="/admin/{one}/"') for one in ("orders/order", "catalog/item", "auth/user")]
    system = menu.index(">System<")
    assert places == sorted(places)
    assert places[-1] < system < menu.index('href="/admin/procrastinate/procrastinatejob/"')
    assert re.findall(r'href="([^"]*)" aria-current="page"', menu) == ["/admin/orders/order/"]


@pytest.mark.django_db
def test_the_menu_names_only_what_one_may_open() -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_item"))
    client = Client()
    client.force_login(clerk)
    page = client.get("/admin/catalog/item/").content.decode()
    menu = page.partition('id="side-menu"')[2].partition("</nav>")[0]
    assert re.findall(r'href="([^"]*)"', menu) == ["/admin/", "/admin/catalog/item/"]


@pytest.mark.django_db
def test_a_field_in_a_list_is_named_by_its_column_and_its_row(owner: Client) -> None:
    make_item(name='Pot "<b>')
    page = owner.get("/admin/catalog/item/").content.decode()
    assert 'aria-label="Stock: Pot &quot;&lt;b&gt;"' in page
    unnamed = [
        field for field in re.findall(r"<(?:input|select)[^>]*form-0-[^>]*>", page)
        if "hidden" not in field and "aria-label" not in field
    ]  # fmt: skip
    assert unnamed == []


def test_a_cell_knows_its_column_and_whether_it_is_empty() -> None:
    row = ['<th class="field-name"><a href="/1/">A &amp; B</a></th>', '<td class="field-sum">-</td>']
    first, second = named(row, [{"text": "name"}, {"text": 'the "sum"'}])
    assert first == '<th data-name="Name" class="field-name"><a href="/1/">A &amp; B</a></th>'
    assert second == '<td data-name="The &quot;sum&quot;" data-empty class="field-sum">-</td>'


def test_every_sheet_knows_two_weights_of_letters_alone() -> None:
    """400 and 650; Django's desk has 300 in places, which is pale."""
    sheets = list(Path("kopeck").glob("*/static/*.css"))
    assert len(sheets) > 5
    weights = {one for sheet in sheets for one in re.findall(r"font-weight: ?(\w+)", sheet.read_text())}
    assert weights == {"400", "650"}
    assert "#user-tools { font-weight: 400;" in (STATIC / "admin.css").read_text()


@pytest.mark.django_db
def test_a_page_is_headed_by_its_object_and_names_its_list_once(owner: Client) -> None:
    item = make_item(name="Pot")
    page = owner.get(f"/admin/catalog/item/{item.pk}/change/").content.decode()
    crumbs = page.partition('class="breadcrumbs"')[2].partition("</div>")[0]
    assert re.findall(r'href="([^"]+)"', crumbs) == ["/admin/", "/admin/catalog/item/"]
    assert re.search(r'<p class="doing">Item</p>\s*<h1>Pot</h1>', page)
    assert "<h2>Pot</h2>" not in page
    assert "<h1>Добавить: товар</h1>" in owner.get("/ru/admin/catalog/item/add/").content.decode()
    assert "<h1>Second factors</h1>" in owner.get("/admin/otp_totp/totpdevice/").content.decode()


@pytest.mark.django_db
def test_a_list_without_rows_says_so_and_offers_no_actions_but_the_way_back(owner: Client) -> None:
    page = owner.get("/admin/catalog/item/").content.decode()
    assert "There is nothing here yet." in page
    make_item(name="Pot")
    page = owner.get("/admin/catalog/item/?q=xyzzy").content.decode()
    assert "Nothing was found." in page
    assert '<a href="?">Show the whole list</a>' in page
    assert "Nothing was found." not in owner.get("/admin/catalog/item/?q=pot").content.decode()


@pytest.mark.django_db
def test_the_menu_has_no_name_that_only_a_librarys_makers_know(owner: Client) -> None:
    page = owner.get("/admin/", headers={"accept-language": "ru"}).content.decode()
    menu = page.partition('id="side-menu"')[2].partition("</nav>")[0]
    names = [name for name in re.findall(r">([^<>]+)</(?:a|p|summary)>", menu) if name.strip()]
    assert len(names) > 20
    assert [name for name in names if not re.search("[а-яё]", name, re.IGNORECASE)] == []


@pytest.mark.django_db
def test_the_page_of_the_log_in_says_what_it_is_and_leads_to_the_shop_and_the_other_language() -> None:
    page = Client().get("/admin/login/", headers={"accept-language": "ru"}).content.decode()
    assert "<h1>Вход</h1>" in page
    assert 'value="Войти"' in page
    assert re.findall(r'href="([^"]+)"', page.partition('class="elsewhere"')[2]) == ["/", "/en/admin/login/"]
