"""Sentences that the shop keeps in its records: timelines, outcomes of events, problems of payments.

They are kept in English, as programs and the log read them, and shown in the language of the reader.
"""

import re
from bisect import insort
from typing import NewType

from django.utils.translation import gettext, ngettext, override

from kopeck.configuration.languages import OWN

#: A text for a record that was made by a sentence of this kind.
Said = NewType("Said", str)
#: %(name)s: what differs from one record to the next.
_PLACE = re.compile(r"%\((\w+)\)s")
#: Places that hold words or sentences of ours, which are shown in the reader's language too. Names stay.
_OURS = ("status", "here", "was", "what", "reason", "problem", "theirs", "ours")
#: What some of them look like: a count, "48.20 USD", "re_1". All others may be anything.
_FORMS = {"number": "[0-9]+", "amount": r"\S+ \S+", "id": r"\S+", "type": r"\S+"}
#: Those with the most words of their own come first: a record of theirs may look like one of a shorter too.
_all: "list[Sentence]" = []


class Sentence:
    """A sentence with places, made when its module is read: `SENT = Sentence("%(by)s marked it as sent.")`.

    `many` is its plural, which `number` chooses. `SENT(by="anna")` is the text for the record. What is put
    into a place in the language of the request is given as a method: `status=order.get_status_display`.
    """

    def __init__(self, one: str, many: str = "") -> None:
        self.one, self.many = one, many
        self._forms = [_form(sentence) for sentence in (one, many) if sentence]
        insort(_all, self, key=lambda one: -len(_PLACE.sub("", one.one)))

    def __call__(self, **places: object) -> Said:
        sentence = self.many if self.many and places["number"] != 1 else self.one
        if not places:
            return Said(sentence)
        with override(OWN):  # whatever that of the request or job
            return Said(sentence % {name: it() if callable(it) else str(it) for name, it in places.items()})

    def shown(self, text: str) -> str | None:
        """The text in the reader's language; None where it is another sentence."""
        found = next((found for form in self._forms if (found := form.fullmatch(text))), None)
        if found is None:
            return None
        places = found.groupdict()
        stop, rest = places.pop("_stop", None) or "", places.pop("_rest", None)
        sentence = ngettext(self.one, self.many, int(places["number"])) if self.many else gettext(self.one)
        said = sentence % {name: shown(it) if name in _OURS else it for name, it in places.items()}
        return f"{said}{stop} {shown(rest)}" if rest else f"{said}{stop}"


def shown(text: str) -> str:
    """What is kept, in the reader's language. What is no sentence of ours, such as Stripe's, stays."""
    for sentence in _all:
        if (said := sentence.shown(text)) is not None:
            return said
    return gettext(text) if text else ""


def _form(sentence: str) -> re.Pattern[str]:
    """What the sentence's records look like. A record may go on with another sentence, after a full stop
    or, where the sentence ends without one, a semicolon. A problem takes all that follows."""
    parts = _PLACE.split(sentence)  # text, name, text, name, text
    form = "".join(
        f"(?P<{part}>{_FORMS.get(part, '.+?')})" if odd % 2 else re.escape(part)
        for odd, part in enumerate(parts)
    )
    rest = r"(?: (?P<_rest>.+))?"
    if not sentence.endswith("."):
        rest = "" if sentence.endswith("%(problem)s") else f"(?:(?P<_stop>[.;]){rest})?"
    return re.compile(form + rest, re.DOTALL)
