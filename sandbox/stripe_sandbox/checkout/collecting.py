"""What a session asks for beside the payment: up to three fields of the shop's own, and consent.

An answer is a text, whatever the type of its field: the value of an option, digits, or words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.server.routes import Params

MOST_FIELDS, MOST_OPTIONS, LONGEST = 3, 200, 255
LENGTHS = ("maximum_length", "minimum_length")
CONSENTS = ("payment_method_reuse_agreement", "promotions", "terms_of_service")


def fields(given: Sequence[Params]) -> list[Obj]:
    """`custom_fields` of a new session; 400 for what Stripe refuses."""
    if len(given) > MOST_FIELDS:
        raise errors.invalid(
            f"You can have at most {MOST_FIELDS} custom fields, but you passed {len(given)}.",
            param="custom_fields",
        )
    found: list[Obj] = []
    for index, wanted in enumerate(given):
        made = _field(wanted, f"custom_fields[{index}]")
        if any(made["key"] == other["key"] for other in found):
            raise errors.invalid(
                f"Custom fields must have unique keys: {made['key']} is given more than once.",
                param=f"custom_fields[{index}][key]",
            )
        found.append(made)
    return found


def _field(wanted: Params, path: str) -> Obj:
    key, type = wanted["key"], wanted["type"]
    if not (key.isascii() and key.isalnum()):
        raise errors.invalid("Custom field keys must be alphanumeric.", param=f"{path}[key]")
    for other in ("dropdown", "numeric", "text"):
        if other in wanted and other != type:
            raise errors.invalid(
                f"You can only specify {other} on a custom field of that type.", param=f"{path}[{other}]"
            )
    made: Obj = {
        "key": key,
        "label": wanted["label"],
        "optional": wanted.get("optional", False),
        "type": type,
        type: _dropdown(wanted, path) if type == "dropdown" else _written(wanted.get(type) or {}, type, path),
    }
    default = made[type]["default_value"]
    if default is not None and (wrong := problem(made, default)):
        raise errors.invalid(
            f"The default value does not fit: {wrong}", param=f"{path}[{type}][default_value]"
        )
    return made


def _dropdown(wanted: Params, path: str) -> Obj:
    if "dropdown" not in wanted:
        raise errors.missing_param(f"{path}[dropdown]")
    given = wanted["dropdown"]
    options = given["options"]
    values = [option["value"] for option in options]
    if not 1 <= len(values) <= MOST_OPTIONS or len(set(values)) < len(values):
        raise errors.invalid(
            f"A dropdown has from 1 to {MOST_OPTIONS} options, each with a value of its own.",
            param=f"{path}[dropdown][options]",
        )
    for index, value in enumerate(values):
        if not (value.isascii() and value.isalnum()):
            raise errors.invalid(
                "Values of options must be alphanumeric.", param=f"{path}[dropdown][options][{index}][value]"
            )
    return {"default_value": given.get("default_value"), "options": options, "value": None}


def _written(given: Params, type: str, path: str) -> Obj:
    for name in LENGTHS:
        if name in given and not 1 <= given[name] <= LONGEST:
            raise errors.invalid(f"This value must be from 1 to {LONGEST}.", param=f"{path}[{type}][{name}]")
    most, least = (given.get(name) for name in LENGTHS)
    if most is not None and least is not None and least > most:
        raise errors.invalid(
            "The minimum length must not be above the maximum.", param=f"{path}[{type}][minimum_length]"
        )
    return {
        "default_value": given.get("default_value"),
        "maximum_length": most,
        "minimum_length": least,
        "value": None,
    }


def problem(field: Obj, answer: str) -> str:
    """What is wrong with a buyer's answer, in a sentence of the page; "" for a good one."""
    if not answer:
        return "" if field["optional"] else "Fill in this field."
    rules = field[field["type"]]
    if field["type"] == "dropdown":
        return "" if any(answer == option["value"] for option in rules["options"]) else "Choose one of these."
    if field["type"] == "numeric" and not (answer.isascii() and answer.isdigit()):
        return "Use digits only."
    if len(answer) < (rules["minimum_length"] or 0):
        return "This is too short."
    return "This is too long." if len(answer) > (rules["maximum_length"] or LONGEST) else ""


def example(field: Obj) -> str:
    """An answer that fits, for a buyer who pays without giving one."""
    rules = field[field["type"]]
    if rules["default_value"] is not None:
        return str(rules["default_value"])
    if field["type"] == "dropdown":
        return str(rules["options"][0]["value"])
    word = "1234567890" if field["type"] == "numeric" else "Example"
    length = min(max(len(word), rules["minimum_length"] or 0), rules["maximum_length"] or LONGEST)
    return (word * length)[:length]


def answered(session: Obj, said: Mapping[str, str]) -> list[Obj]:
    """The session's fields with the answers in them; StripeError where one does not fit, or no field has its
    key."""
    found = []
    for key in said.keys() - {field["key"] for field in session["custom_fields"]}:
        raise errors.invalid(f"This session has no custom field {key}.", param="custom_fields")
    for field in session["custom_fields"]:
        text = said.get(field["key"], "")
        if wrong := problem(field, text):
            raise errors.invalid(f"{field['key']}: {wrong}", param="custom_fields")
        type = field["type"]
        found.append({**field, type: {**field[type], "value": text or None}})
    return found


def asked_consent(given: Params | None) -> Obj | None:
    """`consent_collection` of a new session."""
    return given and {name: given.get(name) for name in CONSENTS}


def asks(session: Obj, name: str) -> bool:
    """Whether the page has a box for the terms of service, or for promotions."""
    return (session["consent_collection"] or {}).get(name) in ("required", "auto")


def consent(session: Obj, *, terms: bool, promotions: bool) -> Obj | None:
    """What the buyer has agreed to, of what the session asks about."""
    if session["consent_collection"] is None:
        return None
    opted = "opt_in" if promotions else "opt_out"
    return {
        "promotions": opted if asks(session, "promotions") else None,
        "terms_of_service": "accepted" if terms and asks(session, "terms_of_service") else None,
    }
