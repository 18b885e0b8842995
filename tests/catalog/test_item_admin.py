"""The owner types prices as people write them."""

import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from PIL import Image

from kopeck.catalog.forms import ItemForm
from kopeck.catalog.models import Discount, Item
from tests.support.shop import make_item, make_rate

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def form(price: str, currency: str, **files: Any) -> ItemForm:
    data = {
        "name": "Mug",
        "description": "",
        "price": price,
        "currency": currency,
        "active": "on",
        "position": "0",
    }
    return ItemForm(data, files)


def picture(size: tuple[int, int] = (1200, 900), kind: str = "PNG") -> SimpleUploadedFile:
    out = io.BytesIO()
    Image.new("RGB", size, "#A94F24").save(out, kind)
    return SimpleUploadedFile(f"mug.{kind.lower()}", out.getvalue())


@pytest.mark.parametrize(
    ("price", "currency", "minor"), [("48.2", "usd", 4820), ("680", "jpy", 680), ("5", "isk", 500)]
)
def test_a_decimal_price_is_kept_in_minor_units(price: str, currency: str, minor: int) -> None:
    item = form(price, currency).save()
    item.refresh_from_db()
    assert item.price == minor


@pytest.mark.parametrize(
    ("price", "currency", "said"),
    [
        ("48.205", "usd", "at most 2 decimals"),
        ("6.5", "jpy", "has no decimals"),
        ("5.124", "kwd", "the last one is 0"),
        ("1000000.00", "usd", "as large as this"),
        ("-1", "usd", "greater than or equal to 0"),
        ("NaN", "usd", "Enter a number"),
    ],
)
def test_a_price_that_the_currency_cannot_have_is_refused_in_words(
    price: str, currency: str, said: str
) -> None:
    filled = form(price, currency)
    assert not filled.is_valid()
    assert said in str(filled.errors["price"])


def test_the_form_shows_the_price_as_it_was_typed() -> None:
    assert ItemForm(instance=make_item(price=4820)).initial["price"] == Decimal("48.20")
    assert ItemForm(instance=make_item(price=6800, currency="jpy")).initial["price"] == Decimal("6800")


def test_the_owner_adds_an_item_with_a_picture_in_the_admin(owner: Client) -> None:
    data = {
        "name": "Mug",
        "description": "Holds tea.",
        "price": "12.50",
        "currency": "eur",
        "active": "on",
        "position": 3,
    }
    answer = owner.post("/admin/catalog/item/add/", {**data, "image": picture()})
    assert answer.status_code == 302, answer.content.decode()
    item = Item.objects.get()
    assert (item.price, item.currency) == (1250, "eur")
    for address, width in ((item.image_url, 960), (item.image_small_url, 480)):
        assert address is not None
        served = owner.get(address)
        assert served.status_code == 200
        opened = Image.open(io.BytesIO(b"".join(served.streaming_content)))
        assert (opened.format, opened.width) == ("WEBP", width)
    assert owner.get("/admin/catalog/item/").status_code == 200


@pytest.mark.parametrize(
    ("before", "minor", "after", "kept"),
    [("usd", 10_000, "jpy", 100), ("jpy", 6800, "usd", 680_000), ("usd", 4825, "kwd", 48_250)],
)
def test_another_currency_alone_keeps_the_price_as_it_is_written(
    owner: Client, before: str, minor: int, after: str, kept: int
) -> None:
    item = make_item(price=minor, currency=before)
    shown = ItemForm(instance=item).initial["price"]
    data = {"name": item.name, "description": item.description, "active": "on", "position": 0}
    answer = owner.post(
        f"/admin/catalog/item/{item.pk}/change/", {**data, "price": str(shown), "currency": after}
    )
    assert answer.status_code == 302, answer.content.decode()
    item.refresh_from_db()
    assert (item.price, item.currency) == (kept, after)


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"", b"\x89PNG\r\n\x1a\nbroken", b"GIF89a"])
def test_a_file_that_is_no_picture_is_refused(content: bytes) -> None:
    filled = form("1", "usd", image=SimpleUploadedFile("x.png", content))
    assert not filled.is_valid()
    assert "image" in filled.errors


@pytest.mark.parametrize(
    "facts",
    [{"price": -1}, {"price": 100_000_000}, {"currency": "xyz"}, {"name": ""},
     {"currency": "isk", "price": 550}, {"currency": "kwd", "price": 5124}],
)  # fmt: skip
def test_the_database_itself_refuses_what_stripe_cannot_charge(facts: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_item(**facts)


def test_a_picture_far_taller_than_webp_can_be_is_made_smaller() -> None:
    filled = form("1", "usd", image=picture((10, 20_000)))
    assert filled.is_valid(), filled.errors
    item = filled.save()
    with item.image.open() as file, Image.open(file) as kept:
        assert kept.height <= 4 * 960


def test_what_is_transparent_becomes_white_and_not_what_lies_under_it() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(out, "PNG")
    item = form("1", "usd", image=SimpleUploadedFile("clear.png", out.getvalue())).save()
    with item.image.open() as file, Image.open(file) as kept:
        shown = kept.convert("RGB").getpixel((25, 25))
    assert min(shown) > 250  # type: ignore[arg-type, type-var]


def test_who_may_only_look_reads_amounts_as_people_write_them() -> None:
    """Without a form there would be the minor units of the column: 4820, or 6800 that is no 68.00."""
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(viewer)
    rows: dict[Any, tuple[str, ...]] = {
        make_item(name="Pot", price=4820): ("$48.20", "USD"),
        make_item(name="Tea", price=6800, currency="jpy"): ("¥6,800", "JPY"),
        Discount.objects.create(name="Off", amount_off=500, minimum_subtotal=2000, currency="usd"): (
            *("$5.00", "$20.00", "USD"),
        ),
        make_rate(amount=490, free_from=7500): ("$4.90", "$75.00", "USD"),
    }
    for row, written in rows.items():
        name = f"admin:{row._meta.app_label}_{row._meta.model_name}"
        page = client.get(reverse(f"{name}_change", args=[row.pk])).content.decode()
        shown = re.findall(r'<div class="readonly">(.*?)</div>', page, re.DOTALL)
        assert set(written) <= set(shown), (row, shown)
        listed = client.get(reverse(f"{name}_changelist")).content.decode()
        assert written[0] in listed
