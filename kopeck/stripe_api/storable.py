"""JSON that was sent to us, as PostgreSQL can keep it: what a signature proves may still be odd."""

import json
import math
import re
from typing import Any

_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


def storable(payload: str) -> Any:
    """The JSON, with what PostgreSQL keeps in no text (NUL, half a surrogate pair) replaced.

    ValueError for what is none, and for numbers that it does not keep (NaN, Infinity, 1e999).
    """
    text = _NUL.sub(r"\1\\ufffd", payload) if "\\u0000" in payload else payload
    event = json.loads(text, parse_constant=_finite, parse_float=_finite)
    if "\\ud" in payload.lower():
        event = json.loads(json.dumps(event, ensure_ascii=False).encode(errors="replace"))
    return event


def _finite(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:20]} is no number of JSON's")
    return number
