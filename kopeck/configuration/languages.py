"""The languages of the shop: English, in the code itself, and each that has a file in kopeck/locale.

Settings read this once a start. gettext reads the compiled form of a file, which is made beside it wherever
it is older than the file: at the image's build, and in a checkout at the first start after a change.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.conf.locale import LANG_INFO

#: What the sentences in the code are written in.
OWN = "en"


def known(folder: Path) -> list[tuple[str, str]]:
    """Code and name of each language, ours first: [("en", "English"), ("ru", "Русский")]."""
    codes = [OWN, *sorted(path.parts[-3].replace("_", "-").lower() for path in _files(folder))]
    return [(code, _name(code)) for code in codes]


def compile_new(folder: Path) -> None:
    """Compiles each file that is newer than its compiled form. Where nothing can be written it says so."""
    for path in _files(folder):
        compiled = path.with_suffix(".mo")
        try:
            if not compiled.exists() or compiled.stat().st_mtime < path.stat().st_mtime:
                _compile(path, compiled)
        except OSError as problem:
            sys.stderr.write(f"kopeck: {path.parts[-3]} is not compiled anew: {compiled}: {problem}\n")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/LC_MESSAGES/django.po"))


def _name(code: str) -> str:
    name: str = LANG_INFO.get(code, {}).get("name_local", code)
    return name[:1].upper() + name[1:]


def _compile(path: Path, compiled: Path) -> None:
    with path.open("rb") as file:
        catalog = read_po(file, locale=path.parts[-3])
    # Renamed into place: several processes of one start may do this at once.
    with NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as made:
        write_mo(made, catalog)
    with suppress(PermissionError):
        os.chmod(made.name, 0o644)
    os.replace(made.name, compiled)
