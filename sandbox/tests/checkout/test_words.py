"""The page in two languages, by the session's `locale` or the browser's; every sentence has its Russian."""

import re
from pathlib import Path
from typing import Any

import pytest
import stripe

import stripe_sandbox
from sandbox_testing.orders import line, open_session, pay
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import alerts, look, submit, text_of, typed
from stripe_sandbox.checkout.pages.chips import CHIPS, DEBIT_CHIPS
from stripe_sandbox.checkout.pages.form import MISSING
from stripe_sandbox.checkout.pages.words import RUSSIAN
from stripe_sandbox.rules import cards

PACKAGE = Path(stripe_sandbox.__file__).parent
#: Names of brands and of a method, the same in every language.
NAMES = {"Mastercard", "American Express", "Discover", "Diners Club", "JCB", "UnionPay"}
NAMES |= {"3-D Secure", "3-D Secure 2"}
RU = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.5"}


def test_every_sentence_of_the_page_is_in_both_languages() -> None:
    said = set(MISSING.values())
    for file in PACKAGE.glob("templates/*.html"):
        said |= set(re.findall(r'(?<![a-z])t\("([^"]+)"', file.read_text(encoding="utf-8")))
    for file in (*PACKAGE.glob("static/element_*.js"), PACKAGE / "js" / "intent_pages.py"):
        said |= set(re.findall(r'\bsay\("([^"]+)"', file.read_text(encoding="utf-8")))
    for name in ("form.py", "hosted.py", "summary.py", "view.py"):
        code = (PACKAGE / "checkout" / "pages" / name).read_text(encoding="utf-8")
        said |= set(re.findall(r'say\("([^"]+)"', code))
        said |= set(re.findall(r'errors\["\w+"\] = "([^"]+)"', code))
        said |= set(re.findall(r'asked\["\w+"\] = "([^"]+)"', code))
    said |= {card.decline.message for card in cards.TEST_CARDS if card.decline}
    said |= ({chip.label for chip in CHIPS} | {label for _iban, label, _tone in DEBIT_CHIPS}) - NAMES
    assert len(said) > 130
    assert said - RUSSIAN.keys() == set()


def test_the_parts_of_a_sentence_are_the_same_in_both_languages() -> None:
    for english, russian in RUSSIAN.items():
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", russian)), english


@pytest.mark.parametrize(
    ("locale", "accepted", "language"),
    [
        ("ru", "en", "ru"),
        ("auto", RU["Accept-Language"], "ru"),
        ("en", RU["Accept-Language"], "en"),
        ("fr", "ru", "en"),
    ],
)
def test_the_language_is_the_session_s_or_the_browser_s_or_english(
    client: stripe.StripeClient, locale: str, accepted: str, language: str
) -> None:
    page = look(open_session(client, locale=locale).url, headers={"Accept-Language": accepted})
    assert f'<html lang="{language}">' in page.text
    assert ("К оплате" in text_of(page)) == (language == "ru")


def test_a_russian_buyer_reads_russian_all_the_way(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    everything: dict[str, Any] = {
        "locale": "ru",
        "allow_promotion_codes": True,
        "phone_number_collection": {"enabled": True},
        "shipping_address_collection": {"allowed_countries": ["US"]},
    }
    session = open_session(client, line(1000, quantity=2), **everything)
    text = text_of(look(session.url))
    for words in (
        "Оплата: Local sandbox",
        "Количество: 2",
        "Промокод",
        "Адрес доставки",
        "Телефон",
        "Оплатить 20,00 $",
    ):
        assert words in text
    assert "Нет денег" in text
    assert "No money" not in text
    assert not re.findall(r"\b(Email|Address|City|Country|Shipping|Subtotal|Enter)\b", text)
    assert alerts(submit(session.url))["phoneNumber"] == "Введите номер телефона."
    home = {f"shipping{end}": "x" for end in ("Name", "AddressLine1", "Locality", "PostalCode")}
    form = typed("4000000000000002", phoneNumber="1", shippingCountry="US", **home)
    assert alerts(submit(session.url, form)) == {"cardNumber": "Карта отклонена."}
    told = submit(session.url, form, headers={"Accept": "application/json"}).json()
    assert told == {"errors": {"cardNumber": "Карта отклонена."}}
    wrong = look(f"{session.url}?wrong=This+code+is+invalid.")
    assert "Этот промокод недействителен." in text_of(wrong)
    asked = submit(session.url, {**form, "cardNumber": "4000000000003220"})
    assert "Это вы? Local sandbox: оплата 20,00 $ картой ···· 3220." in text_of(
        look(sandbox.url + asked.headers["Location"])
    )
    pay(sandbox, session.id)
    assert "Вы оплатили заказ" in text_of(look(session.url))
