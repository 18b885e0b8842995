"""Discrepancies and comparisons in the desk: by name and in the reader's language."""

import re

import pytest
from django.test import Client
from django.utils import timezone, translation

from kopeck.ops.metrics_page import HELD
from kopeck.reconcile.admin import KINDS
from kopeck.reconcile.compare import KINDS as COMPARED
from kopeck.reconcile.models import Code, Discrepancy, Run
from tests.support.buying import place_order
from tests.support.shop import make_item

RUSSIAN = {"accept-language": "ru"}
pytestmark = pytest.mark.django_db
SAID = "is paid at 48.20 USD, and its payment cs_1 took 8.20 USD."


@pytest.fixture
def found(buyer: Client) -> Discrepancy:
    order, now = place_order(buyer, make_item()), timezone.now()
    return Discrepancy.objects.create(
        account="default",
        code="order_differs",
        kind="order",
        object_id=str(order.pk),
        order=order,
        said=f"Order {order.pk} {SAID}",
        first_seen=now,
        last_seen=now,
    )


def text_of(client: Client, address: str, **headers: str) -> str:
    """The words of a page's content."""
    page = client.get(address, headers=headers).content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("page", ["", "{pk}/change/", "?code=order_differs&state=all"])
def test_a_discrepancy_is_read_in_the_language_of_the_desk(
    owner: Client, found: Discrepancy, page: str
) -> None:
    address = f"/admin/reconcile/discrepancy/{page.format(pk=found.pk)}"
    english, russian = text_of(owner, address), text_of(owner, address, **RUSSIAN)
    assert "Order and its payment differ" in english
    assert SAID in english
    assert "Заказ и его платёж расходятся" in russian
    assert (
        f"У заказа № {found.order_id} статус «оплачен» и сумма 48.20 USD, а его платёж cs_1 взял 8.20 USD."
        in russian.replace("\xa0", " ")
    )
    for text in (english, russian):
        assert "order_differs" not in text


def test_a_code_that_no_version_knows_any_more_is_shown_as_it_is(owner: Client, found: Discrepancy) -> None:
    Discrepancy.objects.update(code="of_a_later_version", kind="of_later", said="Something is different.")
    for address in ("", f"{found.pk}/change/"):
        text = text_of(owner, f"/admin/reconcile/discrepancy/{address}", **RUSSIAN)
        assert "of_a_later_version" in text
        assert "Something is different." in text


def test_each_code_and_each_kind_has_a_name_in_russian() -> None:
    assert set(KINDS) == set(COMPARED)
    with translation.override("ru"):
        english = [code for code in Code if not re.search("[а-я]", str(code.label))]
        names = {str(code.label) for code in Code}
    assert not english
    assert len(names) == len(Code)


def test_programs_read_codes_and_english_whatever_the_language(found: Discrepancy) -> None:
    with translation.override("ru"):
        assert found.as_dict()["code"] == "order_differs"
        assert found.as_dict()["said"] == f"Order {found.order_id} {SAID}"
        assert str(found) == "Заказ и его платёж расходятся"
        run = Run.begin("default", "order")
        run.find(Code.NEEDS_REVIEW, "cs_1", found.said)  # type: ignore[arg-type]
        (new,) = run.found.values()
    assert type(new.code) is str  # as the metrics ask for it
    assert f"found.code = '{new.code}'" in HELD


def test_a_comparison_is_read_in_the_language_of_the_desk(owner: Client) -> None:
    now, said = timezone.now(), "tax rates: Stripe did not answer: Connection refused"
    run = Run.objects.create(account="default", kind="tax_rate", started=now, ended=now, trouble=said)
    for page in ("", "?kind=tax_rate", f"{run.pk}/change/"):
        text = text_of(owner, f"/admin/reconcile/run/{page}", **RUSSIAN)
        assert "ставки налога: Stripe не ответил: Connection refused" in text
        assert "ставка налога" in text
        assert said in text_of(owner, f"/admin/reconcile/run/{page}")
