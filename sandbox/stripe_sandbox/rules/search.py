"""Stripe's Search Query Language, read: `email:'x' AND metadata['k']:'v'`, `-status:'failed'`, `amount>1000`.

Source: docs.stripe.com/search. Clauses are joined by AND or by OR, never by both, and there are no
parentheses. Texts are compared whatever their case; `~` finds a part of at least three characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stripe_sandbox.core.errors import StripeError, invalid

MOST_CLAUSES = 10
LEAST_PART = 3
TOKEN, TEXT, NUMBER, BOOLEAN = "token", "text", "number", "boolean"
QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
CLAUSE = re.compile(
    rf"\s*(?P<minus>-)?(?P<field>[a-z_][a-z0-9_.]*)(?:\[(?P<key>{QUOTED})\])?"
    rf"\s*(?P<sign>:|~|>=|<=|>|<|=)\s*(?P<value>{QUOTED}|[^\s\"']+)",
    re.IGNORECASE,
)
JOINT = re.compile(r"\s+(?:(AND|OR)\s+)?", re.IGNORECASE)
#: Of each resource the fields that Stripe finds by, and what they hold.
FIELDS: Mapping[str, Mapping[str, str]] = {
    "charges": {
        "amount": NUMBER,
        "billing_details.address.postal_code": TOKEN,
        "created": NUMBER,
        "currency": TOKEN,
        "customer": TOKEN,
        "disputed": BOOLEAN,
        "refunded": BOOLEAN,
        "status": TOKEN,
        **{
            f"payment_method_details.{method}.{name}": kind
            for method in ("card", "sepa_debit")
            for name, kind in (
                ("brand", TOKEN),
                ("exp_month", NUMBER),
                ("exp_year", NUMBER),
                ("fingerprint", TOKEN),
                ("last4", TOKEN),
            )
        },
    },
    "customers": {"created": NUMBER, "email": TEXT, "name": TEXT, "phone": TEXT},
    "payment_intents": {
        "amount": NUMBER,
        "created": NUMBER,
        "currency": TOKEN,
        "customer": TOKEN,
        "status": TOKEN,
    },
    "prices": {
        "active": BOOLEAN,
        "currency": TOKEN,
        "lookup_key": TOKEN,
        "product": TOKEN,
        "type": TOKEN,
    },
    "products": {
        "active": BOOLEAN,
        "description": TEXT,
        "name": TEXT,
        "shippable": BOOLEAN,
        "url": TEXT,
    },
}


@dataclass(frozen=True)
class Clause:
    """`value` None is null: nothing is there. `key` is one of the metadata's."""

    field: str
    key: str | None
    sign: str
    value: str | int | float | None
    negated: bool


@dataclass(frozen=True)
class Query:
    clauses: tuple[Clause, ...]
    any_of: bool


def read(resource: str, text: str) -> Query:
    """The query of `resource` ("customers"); StripeError (400) for what Stripe does not take."""
    clauses, joints, place = [], set(), 0
    text = text.strip()
    while True:
        match = CLAUSE.match(text, place)
        if match is None:
            raise _unreadable()
        clauses.append(_clause(resource, match))
        place = match.end()
        if place == len(text):
            break
        joint = JOINT.match(text, place)
        if joint is None:
            raise _unreadable()
        joints.add((joint[1] or "AND").upper())
        place = joint.end()
    if len(joints) > 1:
        raise invalid("You cannot combine AND and OR in the same search query.", param="query")
    if len(clauses) > MOST_CLAUSES:
        raise invalid(f"A search query can have at most {MOST_CLAUSES} clauses.", param="query")
    return Query(tuple(clauses), any_of=joints == {"OR"})


def _unreadable() -> StripeError:
    return invalid(
        'We were unable to parse your search query. Try using the format `metadata["key"]:"value"` to query '
        'for metadata or key:"value" to query for other fields.',
        param="query",
    )


def _clause(resource: str, match: re.Match[str]) -> Clause:
    field, sign, given = match["field"], match["sign"], match["value"]
    key = _unquoted(match["key"]) if match["key"] else None
    kind = FIELDS[resource].get(field)
    if field == "metadata" and key is not None:
        kind = TOKEN
    elif kind is None or key is not None:
        raise invalid(
            f"Field `{field}` is an unsupported search field for resource `{resource}`. See "
            f"https://stripe.com/docs/search#query-fields-for-{resource.replace('_', '-')} for a list of "
            "supported fields.",
            param="query",
        )
    known = {"key": key, "field": field, "negated": bool(match["minus"])}
    if given.lower() == "null" and sign == ":":
        return Clause(**known, sign=sign, value=None)  # type: ignore[arg-type]
    value = _value(field, kind, sign, _unquoted(given))
    return Clause(**known, sign="=" if sign == ":" else sign, value=value)  # type: ignore[arg-type]


def _value(field: str, kind: str, sign: str, text: str) -> str | int | float:
    signs = {TEXT: (":", "~"), NUMBER: (":", "=", ">", "<", ">=", "<=")}.get(kind, (":",))
    if sign not in signs:
        raise invalid(f"Operator `{sign}` is not supported for field `{field}`.", param="query")
    if sign == "~" and len(text) < LEAST_PART:
        raise invalid(
            f"The value of a substring match must have at least {LEAST_PART} characters.", param="query"
        )
    if kind == BOOLEAN:
        if text.lower() not in ("true", "false"):
            raise invalid(f"Field `{field}` takes true or false, not `{text}`.", param="query")
        return int(text.lower() == "true")
    if kind != NUMBER:
        return text
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,6})?", text):
        raise invalid(f"Field `{field}` takes a number, not `{text}`.", param="query")
    return float(text) if "." in text else int(text)


def _unquoted(text: str) -> str:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
