"""Items as a CSV file, both ways: looked at first, told by row, and written whole or not at all."""

import csv
import io
import re
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from kopeck.catalog import sheet, sheet_views
from kopeck.catalog.models import Item
from kopeck.staff.history import changes
from tests.support.shop import make_item

pytestmark = pytest.mark.django_db

IMPORT, EXPORT = "/admin/catalog/item/import/", "/admin/catalog/item/export/"
HEAD = "id,name,price,currency"


@pytest.fixture(autouse=True)
def _folders(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR, settings.MEDIA_ROOT = tmp_path, tmp_path / "media"


def text(answer: Any) -> str:
    return str(answer.content.decode())


def exported(owner: Client) -> str:
    return text(owner.get(EXPORT)).removeprefix("\ufeff")


def table(owner: Client) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(owner), newline="")))


def look(owner: Client, content: str | bytes, name: str = "items.csv") -> str:
    data = content.encode() if isinstance(content, str) else content
    answer = owner.post(IMPORT, {"file": SimpleUploadedFile(name, data)})
    assert answer.status_code in (200, 422), text(answer)
    page = text(answer)
    assert (answer.status_code == 422) is ('data-testid="problems"' in page)
    return page


def bring(owner: Client, content: str | bytes) -> Any:
    """Looked at and confirmed."""
    page = look(owner, content)
    assert 'name="kept"' in page, problems(page)
    return owner.post(IMPORT, {"kept": kept_of(page)}, follow=True)


def kept_of(page: str) -> str:
    """The name of the file that the page's button would have written."""
    (kept,) = re.findall(r'name="kept" value="(\w+)"', page)
    return str(kept)


def problems(page: str) -> list[str]:
    found = re.findall(r"<li><strong>(Row.*?)</li>", page, re.DOTALL)
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", one)).replace("&#x27;", "'") for one in found]


def test_what_is_taken_away_and_brought_back_changes_nothing(owner: Client) -> None:
    make_item(name='Say "hi", twice', description="One\r\ntwo; three", price=4820, stock=3, position=2)
    make_item(name="Чай 茶", currency="jpy", price=6800, shipped=True, active=False)
    make_item(name="=SUM(A1)", description="'=quoted", currency="kwd", price=12_340)
    make_item(name="Crown", currency="isk", price=500, image="items/mug-960.webp")
    before = list(Item.objects.order_by("pk").values())
    content = exported(owner)
    assert "The shop has all of this already" in look(owner, content)
    for delimiter in ";\t":
        rows = csv.reader(io.StringIO(content, newline=""))
        out = io.StringIO()
        csv.writer(out, delimiter=delimiter).writerows(rows)
        assert "The shop has all of this already" in look(owner, out.getvalue())
    assert list(Item.objects.order_by("pk").values()) == before


def test_prices_are_decimals_of_their_currency_and_no_cell_is_a_formula(owner: Client) -> None:
    make_item(price=4820)
    make_item(price=6800, currency="jpy")
    make_item(price=12_340, currency="kwd")
    for start in "=+-@":
        make_item(name=f"{start}cmd|' /C calc'!A0", description=f"{start}1")
    rows = table(owner)
    assert [row["price"] for row in rows[:3]] == ["48.20", "6800", "12.340"]
    assert not [cell for row in rows for cell in row.values() if re.match(r"[=+\-@\t\r]", cell)]
    answer = owner.get(EXPORT)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="items-')


def test_nothing_is_written_before_it_was_looked_at_and_then_all_of_it(owner: Client) -> None:
    item = make_item(price=4820, stock=3)
    other = make_item(name="Apron")
    content = (
        "id,name,price,currency,stock,is_delivered,on_sale\n"
        f"{item.pk},Tall pot,50,usd,,yes,no\n"
        f"{other.pk},Apron,48.20,usd,,no,yes\n"
        ",Tin of tea,7.5,EUR,12,,\n"
    )
    page = look(owner, content)
    for number, kind in ((1, "New"), (1, "Changed"), (1, "As they are")):
        assert f"{kind}: <strong>{number}</strong>" in page
    assert Item.objects.count() == 2
    item.refresh_from_db()
    assert item.name == "Moka pot"
    told = text(bring(owner, content))
    assert "2 items were added or changed." in told
    item.refresh_from_db()
    assert (item.name, item.price, item.stock) == ("Tall pot", 5000, None)
    assert (item.shipped, item.active) == (True, False)
    tea = Item.objects.get(name="Tin of tea")
    assert (tea.price, tea.currency, tea.stock, tea.active, tea.shipped) == (750, "eur", 12, True, False)


def test_the_history_says_what_a_file_changed(owner: Client) -> None:
    item = make_item(price=4820)
    bring(owner, f"{HEAD}\n{item.pk},Moka pot,50,usd\n,Tea,1,usd\n")
    new, changed = LogEntry.objects.order_by("-pk")
    if changed.object_id != str(item.pk):
        new, changed = changed, new
    (change,) = changes(changed)
    assert (change.said, change.before, change.after) == ("price", "48.20", "50.00")
    assert (new.object_repr, new.is_addition()) == ("Tea", True)
    assert [one.said for one in changes(new)] == ["Added."]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{id},Pot,48.20,jpy", "price: An amount in JPY has no decimals."),
        ("{id},Pot,1.234,usd", "price: An amount in USD has at most 2 decimals."),
        ("{id},Pot,-1,usd", "price: Ensure this value is greater than or equal to 0."),
        ("{id},Pot,99999999,usd", "price: Stripe takes no payment as large as this."),
        ("{id},Pot,a lot,usd", "price: Enter a number."),
        ("{id},Pot,NaN,usd", "price: Enter a number."),
        ("{id},Pot,1e999999,usd", "price: "),
        ("{id},Pot,,usd", "price: This field is required."),
        ("{id},,48.20,usd", "name: This field is required."),
        ("{id},\u200b,48.20,usd", "name: This name has no letter that can be seen."),
        ("{id}," + "x" * 251 + ",48.20,usd", "name: Ensure this value has at most 250 characters"),
        ("{id},Pot,48.20,xyz", "currency: Select a valid choice."),
        (",Pot,48.20,", "currency: Which currency is this amount in?"),
        ("99999,Pot,48.20,usd", "id: There is no such item."),
        ("x,Pot,48.20,usd", "id: There is no such item."),
        ("99999999999999999999999,Pot,48.20,usd", "id: There is no such item."),
    ],
)
def test_what_is_wrong_is_told_by_row_and_nothing_of_the_file_is_written(
    owner: Client, row: str, said: str
) -> None:
    item = make_item()
    good = make_item(name="Apron")
    content = f"{HEAD}\n{good.pk},Better apron,1,usd\n,New,1,usd\n\n{row.format(id=item.pk)}\n"
    (problem,) = problems(look(owner, content))
    assert problem.startswith("Row 5, ")
    assert said in problem
    assert sorted(Item.objects.values_list("name", flat=True)) == ["Apron", "Moka pot"]


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [("stock", "-1", "greater than or equal"), ("stock", "many", "whole number"),
     ("stock", "1000001", "less than or equal"), ("position", "40000", "less than or equal"),
     ("on_sale", "perhaps", "Write yes or no."), ("is_delivered", "2", "Write yes or no."),
     ("picture", "../../secret-key", "no picture of this name"), ("picture", "no-960.webp", "no picture"),
     ("description", "x" * 5001, "at most 5000 characters")],
)  # fmt: skip
def test_every_column_has_its_sentences(owner: Client, column: str, cell: str, said: str) -> None:
    item = make_item(stock=3)
    (problem,) = problems(look(owner, f"id,{column}\n{item.pk},{cell}\n"))
    assert problem.startswith(f"Row 2, {column}: ")
    assert said in problem


def test_an_item_that_is_there_twice_is_told(owner: Client) -> None:
    item = make_item()
    (problem,) = problems(look(owner, f"{HEAD}\n{item.pk},A,1,usd\n{item.pk},B,1,usd\n"))
    assert problem == "Row 3, id: The file has this item twice."


def test_a_new_item_needs_a_name_and_a_price(owner: Client) -> None:
    assert len(problems(look(owner, "currency\nusd\n"))) == 2


def test_another_currency_without_a_price_is_refused(owner: Client) -> None:
    item = make_item(price=4820)
    (problem,) = problems(look(owner, f"id,currency\n{item.pk},jpy\n"))
    assert "the price is another one" in problem
    bring(owner, f"id,currency,price\n{item.pk},jpy,6800\n")
    item.refresh_from_db()
    assert (item.currency, item.price) == ("jpy", 6800)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf", "The file is empty."),
        (b"\n\n,,,\n", "The file is empty."),
        (b"id,name,price,currency\n", "There is no item below the names of the columns."),
        (b"id|name|price\n1|Pot|2\n", "The first row has to name the columns"),
        (b"Pot,48.20,usd\n", "The first row has to name the columns"),
        (b"id,nmae,price\n1,Pot,2\n", "There is no column “nmae”."),
        (b"id,name,name\n1,Pot,2\n", "The column “name” is there twice."),
        ("id,name\n1,Кофе\n".encode("cp1251"), "The file is not UTF-8."),
        (b"id,name\n1,Pot\x00\n", "there are zero bytes in it"),
        (b"\xff\xfe\x00", "The file is not UTF-8."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "The file is not UTF-8."),
        (b'id,name\n1,"Pot\n', "Row 2 can&#x27;t be read as CSV"),
        (b"id,name\n1,Pot,3\n", "Row 2 has more or fewer cells than there are columns: 3, not 2."),
        (b"id,name\n1\n", "Row 2 has more or fewer cells than there are columns: 1, not 2."),
        (b'id,name\n1,"' + b"x" * 200_000 + b'"\n', "can&#x27;t be read as CSV"),
        (b"id\n" + b"1\n" * 20_001, "The file has more than 20000 items"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence(owner: Client, content: bytes, said: str) -> None:
    page = look(owner, content)
    assert said in page
    assert "Nothing was imported" in page


def test_no_file_at_all_and_a_huge_one_get_a_sentence(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = owner.post(IMPORT, {})
    assert answer.status_code == 422
    assert "Choose a file first." in text(answer)
    assert "Choose a file first." in text(owner.post(IMPORT, {"file": "a text"}))
    monkeypatch.setattr(sheet_views, "MOST_BYTES", 10)
    assert "larger than 10 MB" in look(owner, f"{HEAD}\n,Pot,1,usd\n")


def test_spreadsheets_of_windows_are_read_too(owner: Client) -> None:
    item = make_item(price=4820)
    bring(owner, f"id;name;price;currency\r\n{item.pk};Чайник;52,50;usd\r\n".encode("utf-16"))
    item.refresh_from_db()
    assert (item.name, item.price) == ("Чайник", 5250)


def test_what_was_sold_since_the_file_was_made_stays_sold(owner: Client) -> None:
    item, untouched, unlimited = make_item(stock=10), make_item(stock=10), make_item(stock=None)
    rows = {int(row["id"]): row for row in table(owner)}
    Item.objects.filter(pk__in=[item.pk, untouched.pk]).update(stock=7)  # three were sold meanwhile
    rows[item.pk]["stock"] = "15"
    rows[untouched.pk]["name"] = "Renamed"
    rows[unlimited.pk]["stock"] = "4"
    out = io.StringIO()
    writer = csv.DictWriter(out, sheet.COLUMNS)
    writer.writeheader()
    writer.writerows(rows.values())
    bring(owner, out.getvalue())
    for one, stock in ((item, 12), (untouched, 7), (unlimited, 4)):
        one.refresh_from_db()
        assert one.stock == stock


def test_a_picture_is_taken_by_its_name_or_left_alone(owner: Client, settings: Any) -> None:
    folder = settings.MEDIA_ROOT / "items"
    folder.mkdir(parents=True)
    (folder / "0123456789abcdef-960.webp").write_bytes(b"")
    item, other = make_item(image="items/mug-960.webp"), make_item()
    bring(owner, f"id,picture\n{item.pk},\n{other.pk},0123456789abcdef-960.webp\n")
    item.refresh_from_db()
    other.refresh_from_db()
    assert (item.image.name, other.image.name) == ("items/mug-960.webp", "items/0123456789abcdef-960.webp")


def test_the_day_of_an_item_and_what_no_column_says_stay(owner: Client) -> None:
    item = make_item(description="Long.", shipped=True, stock=3, position=4)
    before = Item.objects.values().get()
    bring(owner, f"id,name\n{item.pk},Pot\n")
    assert Item.objects.values().get() == before | {"name": "Pot"}


def test_a_file_is_written_once_by_the_one_who_looked_at_it(owner: Client, tmp_path: Path) -> None:
    page = look(owner, f"{HEAD}\n,Pot,1,usd\n")
    kept = kept_of(page)
    (file,) = (tmp_path / "imports").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    other = Client()
    other.force_login(User.objects.create_superuser("other"))
    for client, name in ((other, kept), (owner, "../../secret-key"), (owner, "")):
        answer = client.post(IMPORT, {"kept": name})
        assert answer.status_code == 422
        assert "or is gone" in text(answer)
    owner.post(IMPORT, {"kept": kept})
    assert "or is gone" in text(owner.post(IMPORT, {"kept": kept}))
    assert Item.objects.count() == 1
    assert list((tmp_path / "imports").iterdir()) == []


def test_what_became_wrong_since_it_was_looked_at_is_told_and_nothing_is_written(owner: Client) -> None:
    item = make_item()
    (kept,) = re.findall(
        r'name="kept" value="(\w+)"', look(owner, f"{HEAD}\n,New,1,usd\n{item.pk},A,1,usd\n")
    )
    Item.objects.filter(pk=item.pk).delete()
    assert problems(text(owner.post(IMPORT, {"kept": kept}))) == [
        "Row 3, id: There is no such item. Leave the id empty to add a new one."
    ]
    assert not Item.objects.exists()


def test_what_the_database_refuses_undoes_the_whole_file(
    owner: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the fields let through: here a price that no check of theirs has seen."""
    item = make_item()
    monkeypatch.setattr(sheet, "to_minor", lambda amount, currency: 10**12)
    (kept,) = re.findall(
        r'name="kept" value="(\w+)"', look(owner, f"{HEAD}\n,New,1,usd\n{item.pk},A,1,usd\n")
    )
    answer = owner.post(IMPORT, {"kept": kept})
    assert answer.status_code == 422
    assert "This can&#x27;t be stored: IntegrityError." in text(answer)
    assert [one.name for one in Item.objects.all()] == ["Moka pot"]
    assert not LogEntry.objects.exists()


def test_an_old_file_that_nobody_confirmed_goes(
    owner: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(owner, f"{HEAD}\n,Pot,1,usd\n")
    later = time.time() + 2 * sheet_views.A_DAY
    monkeypatch.setattr(time, "time", lambda: later)
    look(owner, f"{HEAD}\n,Tea,1,usd\n")
    (file,) = (tmp_path / "imports").iterdir()
    assert b"Tea" in file.read_bytes()


def test_who_may_not_change_items_imports_none_and_who_may_see_them_exports(owner: Client) -> None:
    make_item()
    for may, statuses in (([], (403, 403)), (["view_item"], (403, 200)), (["change_item"], (403, 200))):
        user = User.objects.create_user("-".join(may) or "nobody", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=may))
        client = Client()
        client.force_login(user)
        assert (client.get(IMPORT).status_code, client.get(EXPORT).status_code) == statuses
        assert client.post(IMPORT, {"kept": "0" * 32}).status_code == 403
    page = text(owner.get("/admin/catalog/item/"))
    assert f'href="{IMPORT}"' in page
    assert f'href="{EXPORT}"' in page


def test_only_what_was_chosen_is_exported_by_the_action(owner: Client) -> None:
    make_item(name="Pot")
    tea = make_item(name="Tea")
    answer = owner.post("/admin/catalog/item/", {"action": "export", "_selected_action": str(tea.pk)})
    names = [row["name"] for row in csv.DictReader(io.StringIO(text(answer).removeprefix("\ufeff")))]
    assert names == ["Tea"]


@pytest.mark.slow
def test_ten_thousand_rows_are_read_and_written(owner: Client, django_assert_max_num_queries: Any) -> None:
    """A few statements for each thousand rows, and no minutes: a web server's thread waits for it."""
    Item.objects.bulk_create(
        Item(name=f"Thing {number}", price=1000 + number, currency="usd", stock=number)
        for number in range(5000)
    )
    rows = table(owner)
    for row in rows:
        row["price"] = f"{float(row['price']) + 1:.2f}"
    rows += [{**rows[0], "id": "", "name": f"New {number}"} for number in range(5000)]
    out = io.StringIO()
    writer = csv.DictWriter(out, sheet.COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    started = time.process_time()
    with django_assert_max_num_queries(100):
        answer = bring(owner, out.getvalue())
    assert "10000 items were added or changed." in text(answer)
    assert time.process_time() - started < 60
    assert Item.objects.count() == 10_000
    assert Item.objects.filter(price__gte=1100, name__startswith="Thing").count() == 5000
    assert LogEntry.objects.count() == 10_000
