"""What every view of `/_sandbox/` reads and writes: the JSON object that was sent, lists, refusals."""

from __future__ import annotations

from typing import Any

from flask import request

Json = dict[str, Any]
MOST = 500


class Refused(Exception):
    """A request that control cannot do: status, code, sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def listed(data: list[Any], has_more: bool = False) -> Json:
    return {"object": "list", "data": data, "has_more": has_more}


def body() -> Json:
    """The JSON object that was sent; {} where nothing was."""
    if not request.get_data():
        return {}
    try:
        sent = request.get_json(force=True, silent=True)
    except RecursionError:  # brackets by the thousand
        sent = None
    if not isinstance(sent, dict):
        raise Refused(400, "bad_json", "Send a JSON object.")
    return sent


def field(sent: Json, name: str, kind: type, default: Any = None) -> Any:
    value = sent.get(name, default)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        words = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object"}
        raise Refused(400, "bad_field", f"{name} is {words[kind]}.")
    return value


def only(sent: Json, *names: str) -> None:
    unknown = sorted(set(sent) - set(names))
    if unknown:
        raise Refused(400, "unknown_field", f"Unknown: {', '.join(unknown)}. Known are {', '.join(names)}.")


def limit() -> int:
    text = request.args.get("limit", "50")
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise Refused(400, "bad_limit", f"limit is a whole number from 1 to {MOST}.")
    return int(text)
