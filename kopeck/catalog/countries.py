"""The countries of ISO 3166-1: what Stripe takes as the country of a tax rate.

Stripe's refusal names the "officially assigned code elements", so codes that are reserved or left to their
users are none: EU, UK, XI, XK, ZZ. Source: the list in tzdata, which follows ISO's newsletters.
"""

from importlib.resources import files

from babel import Locale
from django.utils.translation import get_language, to_locale
from django.utils.translation import gettext as _

_TABLE = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8")
COUNTRIES = frozenset(line[:2] for line in _TABLE.splitlines() if not line.startswith("#"))
#: What people write for a country instead: everyday use, and the prefixes of VAT numbers.
_MEANT = {"UK": "GB", "XI": "GB", "EL": "GR"}


def read_country(typed: str) -> str:
    """The code in capitals. ValueError with a sentence for the owner, where it is no country's."""
    code = typed.upper() if typed.isascii() else ""  # the capitals of ß are SS: South Sudan
    if code not in COUNTRIES:
        raise ValueError(_refusal(code))
    return code


def _refusal(code: str) -> str:
    if code == "EU":
        return _("The EU is no country: add a tax for each country, or leave this empty.")
    if meant := _MEANT.get(code):
        country = Locale.parse(to_locale(get_language() or "en")).territories[meant]
        return _("The ISO code of %(country)s is %(code)s.") % {"country": country, "code": meant}
    return _("This is no country's ISO code of two letters, such as DE.")
