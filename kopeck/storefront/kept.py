"""Which pages are kept ready, and when what they show has changed.

Triggers (`storefront/migrations`) count in a sequence whatever may change them: any write to items, and a
payment's coming, going or change of status where its order has items of limited stock.
"""

import re

from django.db import connection

#: What makes a page another one; Django answers those, and kept pages all other queries.
PERSONAL = frozenset({"mine", "quantity", "cancelled", "notice"})
_NUMBERED = re.compile(r"/(item|after)/[1-9][0-9]{0,17}/?", re.ASCII)
_ROUTES = {"item": "item", "after": "shop-after"}
_CHANGES = """
SELECT last_value, pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM storefront_changes
"""
#: A transaction that gets a number and does nothing with it. A snapshot's xmax would not do: the newest
#: transactions under way may lie beyond it.
_NUMBER = "SELECT pg_current_xact_id()::text::bigint"


def name_of(path: str, query: str) -> str:
    """The route of this path and query where a kept page answers it, else ""."""
    if query and not _is_of_no_matter(query):
        return ""
    if path == "/":
        return "shop"
    numbered = _NUMBERED.fullmatch(path)
    return _ROUTES[numbered[1]] if numbered else ""


def _is_of_no_matter(query: str) -> bool:
    names = [part.partition("=")[0] for part in query.split("&")]
    # A name that is written in another way may be one of those.
    return not any(name in PERSONAL or "%" in name or "+" in name or ";" in name for name in names)


def look() -> tuple[int, int]:
    """For front.Watch: how often something was changed, and the oldest transaction under way."""
    seen, oldest = _ask(_CHANGES)
    return seen, oldest


def mark() -> int:
    """For front.Watch: a transaction that begins, and ends, now."""
    (number,) = _ask(_NUMBER)
    return number


def _ask(question: str) -> tuple[int, ...]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            answer: tuple[int, ...] = cursor.fetchone()
            return answer
    finally:
        connection.close()  # this is no request of Django's, which would do so at its end
