"""Sentences that the shop keeps in its records: timelines, outcomes of events, problems of payments.

They are kept in English, as programs and the log read them, and shown in the language of the reader.
"""

import re
from typing import NewType

from django.utils.translation import gettext, ngettext, override

from kopeck.configuration.languages import OWN

#: A text for a record that was made by a sentence of this kind.
Said = NewType("Said", str)
#: %(name)s: what differs from one record to the next.
_PLACE = re.compile(r"%\((\w+)\)s")
#: Places that hold words or sentences of ours, which are shown in the reader's language too. Names stay.
_OURS = ("status", "reason", "problem")
#: What some of them look like: a count, "48.20 USD", "re_1". All others may be anything.
_FORMS = {"number": "[0-9]+", "amount": r"\S+ \S+", "id": r"\S+"}
_all: "list[Sentence]" = []


class Sentence:
    """A sentence with places, made when its module is read: `SENT = Sentence("%(by)s marked it as sent.")`.

    `many` is its plural, which `number` chooses. `SENT(by="anna")` is the text for the record. What is put
    into a place in the language of the request is given as a method: `status=order.get_status_display`.
    """

    def __init__(self, one: str, many: str = "") -> None:
        self.one, self.many = one, many
        self._forms = [_form(sentence) for sentence in (one, many) if sentence]
        _all.append(self)

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
        rest = places.pop("_rest", None)
        sentence = ngettext(self.one, self.many, int(places["number"])) if self.many else gettext(self.one)
        said = sentence % {name: shown(it) if name in _OURS else it for name, it in places.items()}
        return f"{said} {shown(rest)}" if rest else said


def shown(text: str) -> str:
    """What is kept, in the reader's language. What is no sentence of ours, such as Stripe's, stays."""
    for sentence in _all:
        if (said := sentence.shown(text)) is not None:
            return said
    return gettext(text) if text else ""


def _form(sentence: str) -> re.Pattern[str]:
    """What the sentence's records look like; a record may go on with another sentence after a full stop."""
    parts = _PLACE.split(sentence)  # text, name, text, name, text
    form = "".join(
        f"(?P<{part}>{_FORMS.get(part, '.+?')})" if odd % 2 else re.escape(part)
        for odd, part in enumerate(parts)
    )
    return re.compile(form + (r"(?: (?P<_rest>.+))?" if sentence.endswith(".") else ""), re.DOTALL)
