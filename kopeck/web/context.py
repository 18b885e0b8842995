"""What every page shows, and how its visitor writes money."""

from functools import lru_cache
from typing import Any

from babel import Locale, UnknownLocaleError
from django.conf import settings
from django.http import (
    HttpRequest,
)
from django.urls import get_script_prefix
from django.utils.encoding import escape_uri_path
from django.utils.translation import get_language
from django.utils.translation.trans_real import parse_accept_lang_header


def shop_context(request: HttpRequest) -> dict[str, Any]:
    """What every page shows. `at`: what its addresses begin with ("/ru" where its own says the language).

    `here`: its address without a language, which the other languages of the page begin before.
    """
    return {
        "shop_name": settings.SHOP_NAME,
        "at": get_script_prefix().rstrip("/"),
        "here": _here(request),
        "languages": settings.LANGUAGES,
        "site_url": settings.SITE_URL,
        "seller": settings.SELLER,
        "seller_address": settings.SELLER_ADDRESS,
        "seller_tax_id": settings.SELLER_TAX_ID,
        "contact_email": settings.CONTACT_EMAIL,
        "terms_url": settings.TERMS_URL,
        "returns_url": settings.RETURNS_URL,
        "privacy_url": settings.PRIVACY_URL,
        "demo": settings.DEMO,
        "sandbox": settings.STRIPE_SANDBOX,
        "sandbox_url": f"{settings.SANDBOX_URL}/" if settings.SANDBOX_URL else "",
        "stripe_js_url": settings.STRIPE_JS_URL,
        "payment_flow": settings.PAYMENT_FLOW,
        "test_mode": not any(account.livemode for account in settings.STRIPE_ACCOUNTS.values()),
    }


def site_of(request: HttpRequest) -> str:
    """SITE_URL where it is set, else the address that was asked for (its host is one of ALLOWED_HOSTS)."""
    return str(settings.SITE_URL or request.build_absolute_uri("/").rstrip("/"))


def _here(request: HttpRequest) -> str:
    if request.method not in ("GET", "HEAD"):
        return "/"  # what was posted is not asked for again
    query = request.GET.urlencode()
    return f"{escape_uri_path(request.path_info)}{f'?{query}' if query else ''}"


def money_locale(request: HttpRequest | None) -> Locale:
    """How this visitor writes money: as the page's language does, in the browser's own variety of it."""
    header = request.headers.get("Accept-Language", "") if request is not None else ""
    return locale_of(header[:200], get_language() or "en")


@lru_cache(maxsize=1000)
def locale_of(header: str, page_language: str) -> Locale:
    """The first variety of the page's language in the header Accept-Language (en-GB), else the language."""
    for language, quality in parse_accept_lang_header(header):
        try:
            if quality and language.partition("-")[0] == page_language.partition("-")[0]:
                return Locale.parse(language, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(page_language, sep="-")
