"""What the shop keeps in its records in English is read in each language."""

import re

import pytest
from django.test import Client
from django.utils import translation

from kopeck import sentences
from kopeck.configuration.languages import OWN
from kopeck.mail import again
from kopeck.refunds.models import Refund
from kopeck.sentences import Sentence, shown
from kopeck.webhooks import declines, handlers
from tests.support.buying import place_order
from tests.support.shop import make_item

#: What stands in a place: letters, dots and brackets as in amounts, ids and names.
SAMPLES = {
    "number": "3",
    "amount": "48.20 USD",
    "pieces": "2 × Pot (blue), 1 × No. 5",
    "id": "re_1",
    "type": "refund.created",
}


def sample(sentence: Sentence, **given: str) -> tuple[str, dict[str, str]]:
    names = re.findall(r"%\((\w+)\)s", sentence.one)
    places = {name: SAMPLES.get(name, f"some {name}") for name in names} | given
    return sentence(**places), places


@pytest.mark.parametrize("sentence", sentences._all, ids=lambda one: one.one[:50])
def test_each_sentence_is_found_again_by_its_text_and_read_in_russian(sentence: Sentence) -> None:
    text, places = sample(sentence)
    assert (sentence.many or sentence.one) % places == text
    with translation.override("ru"):
        read = shown(text)
        assert re.search("[а-я]", read), read
        assert all(value in read for value in places.values()), read
    with translation.override(OWN):
        assert shown(text) == text


@pytest.mark.parametrize("number", [1, 2, 5])
def test_what_is_counted_takes_the_form_of_its_number(number: int) -> None:
    with translation.override("ru"):
        assert (
            shown(declines.CLOSED(number=number))
            == {
                1: "Закрыто на час: отклонена 1 карта.",
                2: "Закрыто на час: отклонены 2 карты.",
                5: "Закрыто на час: отклонено 5 карт.",
            }[number]
        )


def test_a_record_of_several_sentences_is_read_in_full() -> None:
    counted = declines.DECLINED(order=7, number=1)
    with translation.override("ru"):
        read = shown(f"{counted} {handlers.PAYMENT_NOW(order=7, status='open')}")
    assert read == "Заказ №\xa07: за час отклонена 1 карта. Заказ №\xa07: платёж открыт."


def test_a_record_is_in_english_in_every_language() -> None:
    refund = Refund(status=Refund.Status.SUCCEEDED)
    with translation.override("ru"):
        text = handlers.REFUND_NOW(order=7, id="re_1", status=refund.get_status_display)
    assert text == "Order 7: re_1 is succeeded."


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("73.35 USD was refunded: re_1 succeeded.", "Возвращено 73.35 USD: re_1, сделан."),
        ("Order 2: re_1 is succeeded.", "Заказ №\xa02: возврат re_1 сделан."),
        ("Order 2: payment is paid.", "Заказ №\xa02: платёж оплачен."),
        ("anna refunds 12.00 USD.", "anna возвращает 12.00 USD."),
        (
            "Order 2: at Stripe cs_1 is paid, here it was open; a person has to look at it: it stays open.",
            "Заказ №\xa02: в Stripe у cs_1 статус «оплачен», здесь был «открыт»; "
            "решить должен человек: статус остаётся «открыт».",
        ),
        (
            "Order 2: Stripe took 48.20 USD, not 0.01 USD. 48.20 USD is not refunded.",
            "Заказ №\xa02: Stripe взял 48.20 USD, а не 0.01 USD. Не возвращено: 48.20 USD.",
        ),
        (
            "Order 2: 5.00 USD was refunded at Stripe, here 0.00 USD (pi_1). "
            "Look at its refunds in Stripe's Dashboard.",
            "Заказ №\xa02: в Stripe возвращено 5.00 USD, а здесь 0.00 USD (pi_1). "
            "Посмотрите его возвраты в панели Stripe.",
        ),
        (
            "Order 2: refund re_1 is succeeded here, and Stripe knows none.",
            "Заказ №\xa02: возврат re_1 здесь в статусе «сделан», а Stripe его не знает.",
        ),
        (
            "tax 3 (txr_1): display_name is 'Mr. A; B' at Stripe and None here; archived at Stripe. "
            "Not repaired: CardError: no",
            "Налог №\xa03 (txr_1): название в Stripe — 'Mr. A; B', здесь — нет; "
            "в Stripe перенесено в архив. Исправить не удалось: CardError: no",
        ),
        ("refunds: Stripe did not answer: timed out", "возвраты: Stripe не ответил: timed out"),
    ],
)
def test_what_0_1_0_wrote_is_read_too(text: str, read: str) -> None:
    with translation.override("ru"):
        assert shown(text) == read


def test_of_two_sentences_that_fit_the_one_with_more_words_is_read() -> None:
    text = "Order 2: pi_1 is paid here, and Stripe knows no such object"
    assert handlers.REFUND_NOW.shown(f"{text}.")
    with translation.override("ru"):
        assert "статус «оплачен», а Stripe такого объекта не знает." in shown(f"{text}.")


def test_names_stay_as_they_are_and_so_do_stripes_own_words() -> None:
    from_stripe = "Your account cannot currently make live charges."
    with translation.override("ru"):
        assert shown(from_stripe) == from_stripe
        assert shown("") == ""
        assert shown(handlers.NOT_OURS()) != handlers.NOT_OURS()
        assert shown("admin") != "admin"  # a word of the shop's too, and here it is a name
        assert shown(again.RECEIPT_AGAIN(by="admin")).startswith("admin ")


@pytest.mark.django_db
def test_a_timeline_is_read_in_the_language_of_the_desk(owner: Client, buyer: Client) -> None:
    order = place_order(buyer, make_item())
    order.note(declines.CLOSED(number=5))
    for path in (f"/admin/orders/order/{order.pk}/change/", f"/admin/orders/order/{order.pk}/why/"):
        assert "Closed for an hour: 5 cards were declined." in owner.get(path).content.decode()
        page = owner.get(path, headers={"accept-language": "ru"}).content.decode()
        assert "Закрыто на час: отклонено 5 карт." in page
        assert "declined" not in page.replace("/abuse/decline", "")
