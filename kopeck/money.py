"""Money: integer minor units plus a currency, as Stripe counts them. Never a float.

The one table of currencies and the only way in and out of minor units. Stripe sends ISK and UGX with
two decimals that must be 00, and wants the last digit of three-decimal amounts to be 0; people still
read crowns and fils. Source: Stripe's currency pages (docs.stripe.com/currencies), CLDR through Babel.
"""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from babel import Locale
from babel.numbers import parse_pattern


class MoneyError(ValueError):
    """An amount that this currency cannot have; `str()` is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency as Stripe counts it.

    `digits`: decimals of Stripe's minor unit (usd 2, jpy 0, kwd 3). `shown`: decimals that people see
    and type. `step`: amounts in minor units are multiples of it. `minimum`: Stripe's smallest charge in
    minor units, 0 where Stripe names none. `maximum_digits`: how long Stripe's `amount` may be.
    """

    code: str
    digits: int = 2
    shown: int = 2
    step: int = 1
    minimum: int = 0
    maximum_digits: int = 8

    @property
    def smallest(self) -> int:
        """The smallest amount of one payment, in minor units."""
        return max(self.minimum, self.step)

    @property
    def maximum(self) -> int:
        """The largest amount of one payment, and so of one item, in minor units."""
        most: int = 10**self.maximum_digits - 1
        return most - most % self.step


_TWO_DECIMALS = """
    aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf
    cny cop crc cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils
    inr jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad
    ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std
    szl thb tjs top try ttd twd tzs uah usd uyu uzs wst xcd xcg yer zar zmw
""".split()
_ZERO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()
_THREE_DECIMALS = "bhd jod kwd omr tnd".split()
_TWO_DECIMALS_ALWAYS_00 = "isk ugx".split()

_MINIMUMS = dict.fromkeys("usd eur aud cad chf nzd sgd brl inr rub ils idr php zar ars cop".split(), 50)
_MINIMUMS |= {"gbp": 30, "aed": 200, "czk": 1500, "dkk": 250, "hkd": 400, "huf": 17500, "jpy": 50, "krw": 50}
_MINIMUMS |= {"mxn": 1000, "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000}

#: Where Stripe's `amount` may have more than eight digits. Its pages contradict one another (docs/money.md).
_MAXIMUM_DIGITS = {"idr": 12, "lbp": 11, "cop": 10, "huf": 10, "jpy": 10, "inr": 9}


def _currency(code: str, **facts: int) -> Currency:
    return Currency(
        code, minimum=_MINIMUMS.get(code, 0), maximum_digits=_MAXIMUM_DIGITS.get(code, 8), **facts
    )


CURRENCIES: dict[str, Currency] = {
    **{c: _currency(c) for c in _TWO_DECIMALS},
    **{c: _currency(c, digits=0, shown=0) for c in _ZERO_DECIMALS},
    **{c: _currency(c, digits=3, shown=3, step=10) for c in _THREE_DECIMALS},
    **{c: _currency(c, digits=2, shown=0, step=100) for c in _TWO_DECIMALS_ALWAYS_00},
}


def currency(code: str) -> Currency:
    """The currency of Stripe's lower-case code; MoneyError for one that Stripe does not take."""
    try:
        return CURRENCIES[code]
    except KeyError:
        raise MoneyError(f"Stripe takes no payments in the currency {code!r}.") from None


def to_minor(amount: Decimal, code: str) -> int:
    """A decimal amount as people write it, in minor units: 48.20 usd -> 4820, 6800 jpy -> 6800.

    Refuses (MoneyError) what the currency cannot express; never rounds.
    """
    of = currency(code)
    # An absurd exponent would make a number of millions of digits below.
    if not amount.is_finite() or int(amount.as_tuple().exponent) < -30:
        raise MoneyError("This is not an amount of money.")
    if amount.adjusted() > 20:
        raise MoneyError("This amount is larger than Stripe takes.")
    shown = Fraction(amount) * 10**of.shown
    minor = Fraction(amount) * 10**of.digits
    if shown.denominator != 1 or minor % of.step:
        raise MoneyError(_too_precise(of))
    if abs(minor) > of.maximum:
        raise MoneyError("This amount is larger than Stripe takes.")
    return int(minor)


def to_decimal(minor: int, code: str) -> Decimal:
    """Minor units as a decimal with the decimals that people see: 4820 usd -> 48.20, 500 isk -> 5."""
    of = currency(code)
    return Decimal(minor).scaleb(-of.digits).quantize(Decimal(1).scaleb(-of.shown))


def in_words(minor: int, code: str) -> str:
    """Minor units for notes, logs and the seller, the same in every language: 4820 usd -> "48.20 USD"."""
    return f"{to_decimal(minor, code)} {code.upper()}"


def half_up(amount: Fraction) -> int:
    """The nearest integer, ties away from zero: how Stripe rounds tax (0.225 -> 0.23)."""
    sign = -1 if amount < 0 else 1
    return sign * int((abs(amount) * 2 + 1) // 2)


def format_money(minor: int, code: str, locale: Locale) -> str:
    """Minor units for people, as `locale` writes them: 4820 usd -> "$48.20" (en), "48,20 $" (de)."""
    of = currency(code)
    # CLDR shows some currencies with other decimals than Stripe charges (HUF, TWD, RSD ...): ours win,
    # or the page would hide cents that the card pays.
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    # "12,500 KWD" reads as twelve thousand: a third decimal, nearly always 0, stands where it is not.
    shown = of.shown - 1 if of.shown == 3 and minor % 10 == 0 else of.shown
    pattern.frac_prec = (shown, shown)
    return str(
        pattern.apply(to_decimal(minor, code), locale, currency=of.code.upper(), currency_digits=False)
    )


def format_percent(percentage: Decimal, locale: Locale) -> str:
    """A percentage for people: 8.8750 -> "8.875%" (en), "8,875 %" (ru)."""
    pattern = parse_pattern(locale.percent_formats[None].pattern)
    pattern.frac_prec = (0, 4)
    return str(pattern.apply(percentage.scaleb(-2), locale))


def _too_precise(of: Currency) -> str:
    name = of.code.upper()
    if of.shown == 0:
        return f"An amount in {name} has no decimals."
    if of.step > 1:
        return f"An amount in {name} has at most {of.shown} decimals, and Stripe wants the last one to be 0."
    return f"An amount in {name} has at most {of.shown} decimals."
