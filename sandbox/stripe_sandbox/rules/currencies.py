"""Stripe's currencies: which there are, how many decimals, how little and how much one may charge.

Source: docs.stripe.com/currencies. Amounts are integer minor units.
"""

from __future__ import annotations

from decimal import Decimal

CURRENCIES = frozenset(
    """
    usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad
    cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl
    htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd
    mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd
    rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd
    vuv wst xaf xcd xcg xof xpf yer zar zmw
    """.split()
)
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
# Logically without decimals, yet sent as if they had two: 5 ISK is 500.
HUNDREDS = frozenset({"isk", "ugx"})

MINIMUMS = {
    **dict.fromkeys("usd eur aud cad chf nzd sgd brl inr rub ils idr php zar ars cop".split(), 50),
    "gbp": 30,
    "aed": 200,
    "czk": 1500,
    "dkk": 250,
    "hkd": 400,
    "huf": 17500,
    "jpy": 50,
    "krw": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "thb": 1000,
}
# How many digits an amount may have; eight where none is named.
MOST_DIGITS = {"idr": 12, "lbp": 11, "cop": 10, "huf": 10, "jpy": 10, "inr": 9}


def decimals(currency: str) -> int:
    """How many digits of an amount are minor: 0, 2 or 3."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def minimum(currency: str) -> int:
    """The least that may be charged; where Stripe publishes no figure, one minor unit."""
    return MINIMUMS.get(currency, 1)


def maximum(currency: str) -> int:
    """The most that may be charged."""
    most: int = 10 ** MOST_DIGITS.get(currency, 8) - 1
    return most


def step(currency: str) -> int:
    """Amounts must be a multiple of this: 100 for ISK and UGX, 10 for those with three decimals, else 1."""
    if currency in HUNDREDS:
        return 100
    return 10 if currency in THREE_DECIMAL else 1


def sentence(amount: int, currency: str) -> str:
    """`$0.50 USD` or `$1,000.00 USD`, as Stripe's error texts write an amount."""
    sign = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}.get(currency, "")
    places = decimals(currency)
    return f"{sign}{Decimal(amount).scaleb(-places):,.{places}f} {currency.upper()}"
