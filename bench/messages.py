"""`make messages`: brings each language's file up to the sentences that the shop says now.

A sentence is found where it is given to gettext: in Python by Babel, in templates by Django's own reading of
them. What is new gets an empty translation, what nobody says any more goes. Entries are in order and name no
places, so two people who add some rarely meet.
"""

import sys
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

SHOP = Path(__file__).resolve().parent.parent / "kopeck"
LOCALE = SHOP / "locale"
#: What takes a sentence, and which of its arguments are one ("c": its context).
TAKES: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "Sentence": (1, 2),  # kopeck/sentences.py
}
HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Language: {language}\\n"
"Plural-Forms: {plurals};\\n"

"""


def said() -> Catalog:
    """Every sentence that people see, without translations."""
    found = Catalog()
    for path in sorted(SHOP.rglob("*.py")):
        if "migrations" not in path.parts:
            _add(found, path, path.read_bytes())
    for path in sorted(SHOP.glob("**/templates/**/*.*")):
        # In brackets: Python's reader would else stumble over the indentation of HTML.
        _add(found, path, f"({templatize(path.read_text(), origin=str(path))}\n)".encode())
    return found


def _add(found: Catalog, path: Path, source: bytes) -> None:
    for line, function, message, _comments in extract_python(
        BytesIO(source), TAKES, [], {"encoding": "utf-8"}
    ):
        arguments = message if isinstance(message, tuple) else (message,)
        given = [argument for argument in arguments if argument]
        if not given:
            continue
        where = [(path.relative_to(SHOP.parent).as_posix(), line)]
        if function.startswith(("pgettext", "npgettext")):
            context, *words = given
            found.add(tuple(words) if len(words) > 1 else words[0], locations=where, context=context)
        elif function.startswith("ngettext") or (function == "Sentence" and len(given) > 1):
            found.add((given[0], given[1]), locations=where)
        else:
            found.add(given[0], locations=where)


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3])


def renewed(path: Path) -> bytes:
    """The language's file, with every sentence that is said now and no other."""
    catalog = read(path) if path.exists() else Catalog(locale=path.parts[-3])
    catalog.update(said(), no_fuzzy_matching=True)
    catalog.obsolete.clear()
    for message in catalog:
        message.flags -= {"python-format", "python-brace-format"}
    body = BytesIO()
    write_po(body, catalog, width=0, no_location=True, omit_header=True, sort_output=True)
    header = HEADER.format(language=path.parts[-3], plurals=catalog.plural_forms.rstrip(";"))
    return header.encode() + body.getvalue().strip() + b"\n"


def main() -> int:
    for language in sys.argv[1:]:
        (LOCALE / language / "LC_MESSAGES").mkdir(parents=True, exist_ok=True)
        (LOCALE / language / "LC_MESSAGES" / "django.po").touch()
    for path in sorted(LOCALE.glob("*/LC_MESSAGES/django.po")):
        path.write_bytes(renewed(path))
        catalog = read(path)
        empty = [message for message in catalog if message.id and not all(_texts(message.string))]
        print(f"{path.parts[-3]}: {len(catalog)} sentences, {len(empty)} without a translation")
    return 0


def _texts(string: object) -> tuple[str, ...]:
    return string if isinstance(string, tuple) else (str(string or ""),)


if __name__ == "__main__":
    sys.exit(main())
