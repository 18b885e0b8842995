"""How text is read that people type or paste: what they cannot see does not count. Pure: no Django.

Only codes and numbers are changed. Names and descriptions keep all their letters: a joiner makes one emoji of
three, and Persian words need their non-joiner. Of those only this is asked: whether there is anything to see.
"""

import re
import unicodedata

#: Unicode's Default_Ignorable_Code_Point (nothing is drawn for them), annotations' marks, Braille's blank.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
#: Hyphens, dashes and the minus sign, as word processors write them.
_HYPHENS = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2043\u2212\ufe58\ufe63\uff0d"), "-")
#: The space of the keyboard is seen. Others come of pasting, or stand between thousands.
_ODD_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
#: Arabic script's signs between units and decimals, and between thousands.
_SIGNS = {0x066B: ".", 0x066C: ""}


def read_code(text: str) -> str:
    """A code as it was printed, in the letters of the keyboard: " SUMMER\u201110\u200b" -> "SUMMER-10"."""
    plain = unicodedata.normalize("NFKC", _ODD_SPACES.sub("", _INVISIBLE.sub("", text)))
    return plain.translate(_HYPHENS).strip()


def read_number(text: str) -> str:
    """A number in ASCII, of the digits of any script: "１\u00a0５００" -> "1500"; ² and ① stay."""
    plain = _ODD_SPACES.sub("", _INVISIBLE.sub("", text)).translate(_HYPHENS | _SIGNS).strip()
    return "".join(_digit(letter) for letter in plain)


def _digit(letter: str) -> str:
    value = unicodedata.decimal(letter, None)
    if value is not None:
        return str(value)
    return unicodedata.normalize("NFKC", letter) if "\uff01" <= letter <= "\uff5e" else letter


def whole_number(text: str, digits: int) -> int | None:
    """The number that these ASCII digits write; None for any other text, and for more digits than that.

    int() raises ValueError for thousands of digits, and PostgreSQL refuses what is longer than its integers.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else None


def trim(text: str) -> str:
    """What somebody searches for, without what was copied along at its ends."""
    ends = f"(?:{_INVISIBLE.pattern}|\\s)+"
    return re.sub(f"^{ends}|{ends}$", "", text)


def is_blank(text: str) -> bool:
    """Whether there is nothing to see."""
    seen = _INVISIBLE.sub("", text)
    # A letter that this Python does not know yet may be next year's emoji: it counts as seen.
    return all(unicodedata.category(letter) in ("Zs", "Zl", "Zp", "Cc", "Cs") for letter in seen)
