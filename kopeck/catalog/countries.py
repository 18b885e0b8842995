"""The countries of ISO 3166-1: what Stripe takes as the country of a tax rate, or of a delivery.

Stripe's refusal names the "officially assigned code elements", so codes that are reserved or left to their
users are none: EU, UK, XI, XK, ZZ. Source: the list in tzdata, which follows ISO's newsletters.
"""

from importlib.resources import files

from babel import Locale
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

from kopeck.configuration.env import shown

_TABLE = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
COUNTRIES = frozenset(line[:2] for line in _TABLE.splitlines() if not line.startswith("#"))
#: Where Checkout takes a delivery address: all but those that Stripe's reference of sessions leaves out.
SHIPPABLE = COUNTRIES - set("AS CC CU CX FM HM IR KP MH MP NF PW SY UM VI".split())
#: What people write for a country instead: everyday use, and the prefixes of VAT numbers.
_MEANT = {"UK": "GB", "XI": "GB", "EL": "GR"}


def read_country(typed: str) -> str:
    """The code in capitals. ValueError with a sentence for the owner, where it is no country's."""
    code = typed.upper() if typed.isascii() else ""  # the capitals of ß are SS: South Sudan
    if code not in COUNTRIES:
        raise ValueError(_refusal(code))
    return code


def read_setting(text: str) -> str:
    """As `read_country`, where settings are read and no sentence can be translated yet."""
    code = text.upper() if text.isascii() else ""
    if code not in COUNTRIES:
        raise ValueError(f"a country has an ISO code of two letters, such as DE{shown(text)}")
    return code


def country_name(code: str) -> str:
    """As the page's language calls it; the code where it has no word for it."""
    names = Locale.parse(to_locale(get_language() or "en")).territories
    return str(names.get(code) or code)


def _refusal(code: str) -> str:
    if code == "EU":
        return _("The EU is no country: add a tax for each country, or leave this empty.")
    if meant := _MEANT.get(code):
        words = {"country": country_name(meant), "code": meant}
        return _("The ISO code of %(country)s is %(code)s.") % words
    return _("This is no country's ISO code of two letters, such as DE.")
