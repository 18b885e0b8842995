"""What people type or paste is read one way: what they cannot see does not count."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from kopeck.catalog.forms import DiscountForm, ItemForm, TaxForm
from kopeck.catalog.models import Discount, Item, Tax
from kopeck.configuration.values import read_name
from kopeck.orders.models import Order
from kopeck.refunds.forms import RefundForm
from kopeck.typed import is_blank, read_code, read_number, trim, whole_number
from tests.support.shop import make_item

INVISIBLE = {
    "zero-width space": "\u200b", "non-joiner": "\u200c", "joiner": "\u200d", "left to right": "\u200e",
    "embedding": "\u202b", "isolate": "\u2066", "word joiner": "\u2060", "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff", "no-break space": "\u00a0", "narrow no-break space": "\u202f",
    "thin space": "\u2009", "ideographic space": "\u3000", "variation selector": "\ufe0f",
    "tag": "\U000e0041", "hangul filler": "\u3164", "half-width filler": "\uffa0",
    "grapheme joiner": "\u034f",
}  # fmt: skip
EACH = pytest.mark.parametrize("letter", INVISIBLE.values(), ids=list(INVISIBLE))
HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d"
BLANKS = [
    "\u200b",
    "\u3164",
    "\u2800",
    "\ufeff\u00ad",
    "\u200f \u200e",
    "\u00a0\u2003",
    "\u2028",
    "\u0007\u200b",
]
#: A family of one emoji and Persian and Hindi words need their joiners, Hebrew may bring its marks.
FAMILY, PERSIAN = (
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
)
WORDS = [
    "Moka pot", PERSIAN, FAMILY, "\u2764\ufe0f", "قهوة", "\u202b\u05e7\u05e4\u05d4\u202c",
    "\u0915\u094d\u200d\u0937", "ß", "é", "e\u0301", ".", "²", "\U00020bb7", "\U0001fae8", "\uf8ff",
]  # fmt: skip


@EACH
def test_an_invisible_letter_anywhere_in_a_code_or_a_number_is_none(letter: str) -> None:
    for place in range(len("SUMMER-10") + 1):
        assert read_code("SUMMER-10"[:place] + letter + "SUMMER-10"[place:]) == "SUMMER-10"
        assert read_number("1500.25"[:place] + letter + "1500.25"[place:]) == "1500.25"
    assert is_blank(letter)
    assert trim(f"{letter} pot {letter}") == "pot"


@pytest.mark.parametrize("hyphen", HYPHENS, ids=[f"U+{ord(one):04X}" for one in HYPHENS])
def test_every_hyphen_is_the_keyboards(hyphen: str) -> None:
    assert read_code(f"SUMMER{hyphen}10") == "SUMMER-10"
    assert read_number(f"{hyphen}5") == "-5"


def test_wide_letters_are_those_of_the_keyboard_and_digits_are_those_of_any_script() -> None:
    assert read_code("ＳＵＭＭＥＲ－１０") == "SUMMER-10"
    assert read_code("ｓ＿1") == "s_1"
    assert read_number("４８．２０") == "48.20"
    assert read_number("٤٨٫٢٠") == "48.20"
    assert read_number("۱٬۵۰۰") == "1500"
    assert read_number("१२") == "12"
    for more in ("²", "①", "½", "Ⅷ", "1 500", "1,5", "x"):
        assert read_number(more) == more


@pytest.mark.parametrize("words", WORDS)
def test_legitimate_text_is_not_blank_and_is_not_touched(words: str) -> None:
    assert not is_blank(words)
    assert trim(f" {words} ").startswith(words.strip("\u202b\u202c\ufe0f"))


@given(st.text())
def test_reading_twice_is_reading_once(text: str) -> None:
    for read in (read_code, read_number, trim):
        assert read(read(text)) == read(text)
    if is_blank(text):
        assert trim(text) == "" or not trim(text).isprintable()


ITEM = {"name": "Mug", "price": "5", "currency": "usd", "active": "on", "position": "0"}
DISCOUNT = {"name": "Spring", "percent_off": "5", "active": "on"}
TAX = {"display_name": "VAT", "percentage": "19"}


@pytest.mark.django_db
@pytest.mark.parametrize("blank", BLANKS)
def test_a_name_of_nothing_to_see_is_refused_in_a_sentence(blank: str) -> None:
    for form, field in (
        (ItemForm(ITEM | {"name": blank}), "name"),
        (DiscountForm(DISCOUNT | {"name": blank}), "name"),
        (TaxForm(TAX | {"display_name": blank}), "display_name"),
    ):
        assert list(form.errors) == [field]
        said = str(form.errors[field])
        assert "This name has no letter that can be seen." in said or "This field is required." in said
    with pytest.raises(ValueError, match="no visible letter"):
        read_name(blank)


@pytest.mark.django_db
@pytest.mark.parametrize("words", [words for words in WORDS if words.strip() == words])
def test_a_name_keeps_its_letters(words: str) -> None:
    assert ItemForm(ITEM | {"name": words, "description": words}).save().name == words
    assert Item.objects.get().description == words
    assert DiscountForm(DISCOUNT | {"name": words}).save().name == words
    assert TaxForm(TAX | {"display_name": words, "state": words}).save().state == words
    assert read_name(words) == words


@pytest.mark.django_db
def test_a_text_that_may_be_left_out_is_left_out_where_there_is_nothing_to_see() -> None:
    tax = TaxForm(TAX | {"state": "\u200b", "jurisdiction": "\ufeff", "country": "\u200b"}).save()
    assert (tax.state, tax.jurisdiction, tax.country) == ("", "", "")
    assert ItemForm(ITEM | {"description": "\u200b\u3164"}).save().description == ""
    assert DiscountForm(DISCOUNT | {"code": "\u200b"}).save().code == ""


@pytest.mark.django_db
def test_the_owner_pastes_codes_countries_and_numbers() -> None:
    item = ItemForm(ITEM | {"price": "１\u202f５００.2５", "stock": "\u200b７", "position": "٣"}).save()
    assert (item.price, item.stock, item.position) == (150_025, 7, 3)
    facts = {"code": "ｓummer\u2011１0\u200b", "percent_off": "１２．５", "max_redemptions": "１０"}
    discount = DiscountForm(DISCOUNT | facts).save()
    assert (discount.code, discount.percent_off, discount.max_redemptions) == (
        "SUMMER-10",
        Decimal("12.5"),
        10,
    )
    assert not DiscountForm(DISCOUNT | {"code": "summer\u201010"}).is_valid()  # another discount has it
    off = DiscountForm(
        {"name": "Off", "amount_off": "５\u00a0０００", "minimum_subtotal": "\ufeff1", "currency": "usd"}
    )
    assert off.save().amount_off == 500_000
    tax = TaxForm(TAX | {"country": "ｄｅ\u200b", "percentage": "１９"}).save()
    assert (tax.country, tax.percentage) == ("DE", 19)
    assert "Letters, digits" in str(DiscountForm(DISCOUNT | {"code": "ten percent"}).errors["code"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "typed", ["summer\u201110", "\ufeffSUMMER-10\u200b", "ＳＵＭＭＥＲ−１０", "SUM\u00adMER-10\u00a0"]
)
def test_a_buyer_pastes_a_code(buyer: Client, typed: str) -> None:
    Discount.objects.create(name="Summer", code="SUMMER-10", percent_off=10)
    item = make_item(price=1000)
    buyer.post("/order", {f"item_{item.pk}": "２\u200b"})
    order = Order.objects.get()
    assert order.lines.get().quantity == 2
    answer = buyer.post(f"/order/{order.pk}/discount", {"code": typed})
    order.refresh_from_db()
    assert (answer.status_code, order.total) == (303, 1800)
    body: dict[str, Any] = {"lines": [{"item": item.pk, "quantity": 1}], "discount_code": typed}
    made = buyer.post("/api/v1/orders", body, content_type="application/json")
    assert (made.status_code, made.json()["discount"]) == (201, 100)


@pytest.mark.django_db
def test_a_code_of_nothing_to_see_is_no_code(buyer: Client) -> None:
    Discount.objects.create(name="Staff's own", code="", percent_off=50)
    item = make_item(price=1000)
    body = {"lines": [{"item": item.pk, "quantity": 1}], "discount_code": "\u200b"}
    made = buyer.post("/api/v1/orders", body, content_type="application/json")
    assert (made.status_code, made.json()["discount"]) == (201, 0)
    buyer.post("/order", {f"item_{item.pk}": "1"})
    order = Order.objects.latest("pk")
    buyer.post(f"/order/{order.pk}/discount", {"code": "\ufeff"})
    order.refresh_from_db()
    assert order.discount is None


@pytest.mark.django_db
def test_the_owner_finds_what_was_pasted_into_the_search(owner: Client) -> None:
    for name in ("Moka pot", PERSIAN):
        make_item(name=name)
    Tax.objects.create(display_name="VAT", percentage=19)
    for typed, found in (("\ufeffMoka\u200b", "Moka pot"), (f"\u200e {PERSIAN} ", PERSIAN)):
        page = owner.get("/admin/catalog/item/", {"q": typed}).content.decode()
        assert found in page
        assert "1 item" in page


def test_the_refund_form_reads_amounts_and_pieces_alike() -> None:
    fields = RefundForm.base_fields
    assert fields["amount"].clean("４\u202f８２０") == 4820


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("999", 999), ("1000", None), ("", None), ("-1", None), ("+1", None), (" 1", None),
     ("1_0", None), ("1.0", None), ("²", None), ("١", None), ("1\n", None), ("9" * 5000, None)],
)  # fmt: skip
def test_a_whole_number_is_written_by_few_enough_digits_and_nothing_else(
    text: str, number: int | None
) -> None:
    assert whole_number(text, 3) == number
