"""Finding items by name, typing errors forgiven: each word of the question by the likest word of a name.

The names are kept in each process, for the embedded PostgreSQL has no pg_trgm. They are read anew when the
catalogue has changed, and every half minute, since a change is counted before its commit is seen.
"""

import re
import time
from dataclasses import dataclass

from django.db import connection
from rapidfuzz import fuzz, utils

from kopeck.catalog.models import Item

#: How like (100: the same) each word has to be. "bycicle" is to "bicycle" 71.
LIKE = 70
#: Letters and words of a question that count, and how many items one finds.
LONGEST, MOST_WORDS, MOST_FOUND = 100, 6, 480
FRESH = 30.0
_CHANGES = "SELECT last_value FROM storefront_changes"


@dataclass(frozen=True, slots=True)
class _Names:
    changes: int
    read: float
    #: By the item's number in the owner's order.
    words: dict[int, list[str]]


_kept: _Names | None = None


def find(question: str) -> list[int]:
    """Numbers of the items on sale whose names fit all words of the question, the likest first."""
    asked = _words(question[:LONGEST])[:MOST_WORDS]
    if not asked:
        return []
    found = ((_likeness(asked, words), number) for number, words in _names().items())
    fitting = [(likeness, number) for likeness, number in found if likeness]
    fitting.sort(key=lambda one: -one[0])  # of equals the owner's order stays
    return [number for _likeness, number in fitting[:MOST_FOUND]]


def _likeness(asked: list[str], words: list[str]) -> float:
    """From LIKE to 100 for the mean of all words; 0 where one word is not there."""
    total = 0.0
    for word in asked:
        best = max((_likeness_of(word, one) for one in words), default=0.0)
        if not best:
            return 0.0
        total += best
    return total / len(asked)


def _likeness_of(word: str, other: str) -> float:
    """100 for a part of the other word, as "book" is of "notebook"; of one letter its beginning counts."""
    if other.startswith(word) or (len(word) > 1 and word in other):
        return 100.0
    # Who types has perhaps not come to the end: the beginning of a longer word is held against it.
    return fuzz.ratio(word, other[: len(word) + 2], score_cutoff=LIKE)


def _words(text: str) -> list[str]:
    return [one for one in re.split(r"\s+", utils.default_process(text)) if one]


def _names() -> dict[int, list[str]]:
    global _kept
    with connection.cursor() as cursor:
        cursor.execute(_CHANGES)
        (changes,) = cursor.fetchone()
    now, kept = time.monotonic(), _kept
    if kept is None or kept.changes != changes or now - kept.read > FRESH:
        names = Item.objects.on_sale().values_list("pk", "name")
        kept = _kept = _Names(changes, now, {number: _words(name) for number, name in names})
    return kept.words
