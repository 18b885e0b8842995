"""Minor units in and out, for every currency that Stripe takes."""

from decimal import Decimal
from fractions import Fraction

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from kopeck.money import (
    CURRENCIES,
    Currency,
    MoneyError,
    currency,
    format_money,
    half_up,
    in_words,
    to_decimal,
    to_minor,
)
from stripe_sandbox.rules import currencies as stripes

EN = Locale.parse("en")


@pytest.mark.parametrize(
    ("written", "code", "minor"),
    [
        ("48.20", "usd", 4820),
        ("0.01", "eur", 1),
        ("6800", "jpy", 6800),
        ("6800.00", "jpy", 6800),
        ("5", "isk", 500),
        ("10000", "ugx", 1_000_000),
        ("5.12", "kwd", 5120),
        ("5.120", "bhd", 5120),
        ("1E+3", "usd", 100_000),
    ],
)
def test_an_amount_as_people_write_it_becomes_stripes_minor_units(
    written: str, code: str, minor: int
) -> None:
    assert to_minor(Decimal(written), code) == minor


@pytest.mark.parametrize(
    ("written", "code"),
    [("48.205", "usd"), ("1.5", "jpy"), ("5.50", "isk"), ("0.1", "ugx"), ("5.124", "kwd"), ("NaN", "usd"),
     ("Infinity", "usd"), ("1E+30", "usd"), ("1", "xyz")],
)  # fmt: skip
def test_what_a_currency_cannot_express_is_refused_and_never_rounded(written: str, code: str) -> None:
    with pytest.raises(MoneyError):
        to_minor(Decimal(written), code)


@pytest.mark.parametrize(
    ("written", "code", "sentence"),
    [
        ("NaN", "usd", "This is not an amount of money."),
        ("-Infinity", "usd", "This is not an amount of money."),
        ("1E-31", "usd", "This is not an amount of money."),
        ("1E-30", "usd", "An amount in USD has at most 2 decimals."),
        ("48.205", "usd", "An amount in USD has at most 2 decimals."),
        ("1.5", "jpy", "An amount in JPY has no decimals."),
        ("0.1", "ugx", "An amount in UGX has no decimals."),
        ("5.124", "kwd", "An amount in KWD has at most 3 decimals, and Stripe wants the last one to be 0."),
        ("1E+21", "usd", "This amount is larger than Stripe takes."),
        ("1000000.00", "usd", "This amount is larger than Stripe takes."),
        ("-1000000.00", "usd", "This amount is larger than Stripe takes."),
        ("1", "xyz", "Stripe takes no payments in the currency 'xyz'."),
    ],
)
def test_a_refused_amount_is_told_in_a_sentence_why(written: str, code: str, sentence: str) -> None:
    with pytest.raises(MoneyError) as refused:
        to_minor(Decimal(written), code)
    assert str(refused.value) == sentence


def test_an_absurd_amount_is_refused_at_once_and_makes_no_number_of_millions_of_digits() -> None:
    for written in ("1E-999999999", "1E+999999999", "-1E+999999999"):
        with pytest.raises(MoneyError):
            to_minor(Decimal(written), "usd")


def test_less_than_nothing_is_read_too_for_the_caller_has_a_better_sentence() -> None:
    assert to_minor(Decimal("-48.20"), "usd") == -4820
    assert to_minor(Decimal("-999999.99"), "usd") == -99_999_999


@given(st.data(), st.sampled_from(sorted(CURRENCIES)))
def test_every_amount_of_every_currency_survives_being_written_and_read(
    data: st.DataObject, code: str
) -> None:
    of = CURRENCIES[code]
    minor = data.draw(st.integers(0, of.maximum // of.step)) * of.step
    assert to_minor(to_decimal(minor, code), code) == minor


def test_zero_decimal_currencies_are_never_multiplied_by_a_hundred() -> None:
    for code in "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split():
        assert to_minor(Decimal(60), code) == 60


@pytest.mark.parametrize(
    ("minor", "code", "language", "shown"),
    [
        (4820, "usd", "en", "$48.20"),
        (4820, "usd", "de", "48,20\xa0$"),
        (6800, "jpy", "en", "¥6,800"),
        (500, "isk", "en", "ISK5"),
        (5120, "kwd", "en", "KWD5.12"),
        (5125, "kwd", "en", "KWD5.125"),
        (12500, "kwd", "de", "12,50 KWD"),
        # CLDR would show no cents of these, and Stripe charges them.
        (17550, "huf", "en", "HUF175.50"),
        (123456, "rsd", "en", "RSD1,234.56"),
    ],
)
def test_money_is_shown_with_the_decimals_that_are_charged(
    minor: int, code: str, language: str, shown: str
) -> None:
    text = format_money(minor, code, Locale.parse(language))
    assert text.replace("\xa0", " ") == shown.replace("\xa0", " ")


def test_ties_are_rounded_up_as_stripe_rounds_tax() -> None:
    assert half_up(Fraction(45, 2)) == 23
    assert half_up(Fraction(43, 2)) == 22
    assert half_up(Fraction(-45, 2)) == -23
    assert half_up(Fraction(2249, 100)) == 22
    assert [half_up(Fraction(n, 2)) for n in (-1, 0, 1)] == [-1, 0, 1]


@pytest.mark.parametrize(
    ("minor", "code", "words"),
    [
        (4820, "usd", "48.20 USD"),
        (6800, "jpy", "6800 JPY"),
        (500, "isk", "5 ISK"),
        (5120, "kwd", "5.120 KWD"),
    ],
)
def test_notes_and_logs_name_an_amount_with_its_currency(minor: int, code: str, words: str) -> None:
    assert in_words(minor, code) == words


def test_people_see_the_decimals_of_stripes_unit_but_for_crowns_and_shillings_that_have_none() -> None:
    unlike = {code: of.shown for code, of in CURRENCIES.items() if of.shown != of.digits}
    assert unlike == {"isk": 0, "ugx": 0}


def test_a_currency_of_which_nothing_is_said_has_two_decimals_and_eight_digits() -> None:
    usual = Currency("xxx", digits=2, shown=2, step=1, minimum=0, maximum_digits=8)
    assert Currency("xxx") == usual
    assert usual.smallest == 1


def test_the_minimums_are_those_of_stripes_table() -> None:
    shown = {
        code: format_money(currency(code).minimum, code, EN) for code in ("usd", "gbp", "jpy", "huf", "czk")
    }
    assert shown == {"usd": "$0.50", "gbp": "£0.30", "jpy": "¥50", "huf": "HUF175.00", "czk": "CZK15.00"}


def test_stripe_names_a_minimum_for_some_currencies_and_for_the_others_there_is_none() -> None:
    named = "usd eur gbp aud cad chf nzd sgd brl inr aed czk dkk hkd huf jpy krw mxn myr nok pln ron sek thb"
    named += " rub ils idr php zar ars cop"
    assert {code for code in CURRENCIES if currency(code).minimum} == set(named.split())
    assert {currency(code).minimum for code in CURRENCIES if code not in named.split()} == {0}


@pytest.mark.parametrize("code", sorted(CURRENCIES))
def test_the_largest_amount_of_every_currency_is_read_and_one_step_more_is_refused(code: str) -> None:
    of = currency(code)
    for minor in (of.smallest, of.maximum):
        assert to_minor(to_decimal(minor, code), code) == minor
        assert format_money(minor, code, EN)
    with pytest.raises(MoneyError, match="larger than Stripe takes"):
        to_minor(to_decimal(of.maximum + of.step, code), code)


def test_the_maximums_are_those_of_stripes_pages() -> None:
    eight = {"usd": 99_999_999, "krw": 99_999_999, "isk": 99_999_900, "ugx": 99_999_900, "kwd": 99_999_990}
    more = {"inr": 999_999_999, "cop": 9_999_999_999, "idr": 999_999_999_999}
    of_cards = {"huf": 9_999_999_999, "jpy": 9_999_999_999, "lbp": 99_999_999_999}
    named = eight | more | of_cards
    assert {code: currency(code).maximum for code in named} == named
    larger = [code for code, of in CURRENCIES.items() if of.maximum > 99_999_999]
    assert sorted(larger) == sorted(more | of_cards)


def test_shop_and_sandbox_have_the_same_table_each_on_its_own() -> None:
    """The sandbox imports nothing of the shop's, so that it finds the shop's mistakes."""
    theirs = {
        code: (stripes.decimals(code), stripes.step(code), max(stripes.minimum(code), stripes.step(code)))
        for code in stripes.CURRENCIES
    }
    assert {c.code: (c.digits, c.step, c.smallest) for c in CURRENCIES.values()} == theirs
    for of in CURRENCIES.values():
        assert stripes.maximum(of.code) - of.step < of.maximum <= stripes.maximum(of.code)
