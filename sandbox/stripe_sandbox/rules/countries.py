"""Country codes as Stripe checks them: the officially assigned ones of ISO 3166-1, in either case.

Text: recorded answers of Stripe. The list is that of tzdata.
"""

from __future__ import annotations

from importlib.resources import files

from stripe_sandbox.core.errors import invalid

TABLE = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
COUNTRIES = frozenset(line[:2] for line in TABLE.splitlines() if not line.startswith("#"))


def country(given: str, param: str = "country") -> str:
    """The code in capitals, or Stripe's refusal (400)."""
    if not given.isascii() or given.upper() not in COUNTRIES:  # the capitals of ß are SS
        message = (
            f"Country '{given}' is unknown. Try using a 2-character alphanumeric country code instead, "
            "such as 'US', 'EG', or 'GB'. A full list of country codes is available at "
            "https://en.wikipedia.org/wiki/ISO_3166-1_alpha-2#Officially_assigned_code_elements"
        )
        raise invalid(message, param=param)
    return given.upper()
