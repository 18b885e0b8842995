"""What the tests of the comparison with Stripe share: runs of the command, and what they find."""

import io
import json
import re
from typing import Any

from django.core.management import CommandError, call_command
from django.utils import translation

from kopeck.payments.models import Payment
from kopeck.reconcile.models import Code
from kopeck.sentences import shown
from tests.support.shop import ShopSandbox


def run(*options: str) -> dict[str, Any]:
    """`manage.py reconcile --json`: what it prints last, and its exit status as `code`."""
    out, code = io.StringIO(), 0
    try:
        call_command("reconcile", "--json", *options, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        code = int(end.code or 0)
    except CommandError as refusal:
        return {"code": refusal.returncode, "said": str(refusal)}
    told: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    assert code == (2 if told["troubles"] else 1 if told["left"] else 0)
    assert told["repaired"] == sum(one["repaired"] for one in told["discrepancies"])
    assert told["left"] == len(told["discrepancies"]) - told["repaired"]
    for one in told["discrepancies"]:
        assert one["code"] in Code.values
        assert not left_in_english(one["said"]), one["said"]
    return {**told, "code": code}


#: What is the same in every language: ids, codes and names of Stripe's, amounts, values in quotes, errors.
_SAME = re.compile(
    r"\w+(?:[._]\w+)+(?: [A-Z]{3})?|\(\w+\)|'[^']*'|Stripe|Checkout|Session|Payment Intent|(?s:\w+Error: .*)"
)


def left_in_english(said: str) -> list[str]:
    """The English words that a Russian reader of a discrepancy finds."""
    with translation.override("ru"):
        return re.findall("[A-Za-z]{2,}", _SAME.sub("", shown(said)))


def codes(told: dict[str, Any], *, repaired: bool) -> list[str]:
    """What was found, but for events that never arrived: every test here delivers none."""
    found = [one for one in told["discrepancies"] if one["repaired"] is repaired]
    return sorted(one["code"] for one in found if one["code"] != "event_missing")


def repairs(*options: str) -> list[str]:
    """A run that leaves nothing; what it repaired. A second one has nothing to do."""
    told = run(*options)
    assert told["code"] == 0, told
    again = run("--all")
    assert (again["code"], again["discrepancies"]) == (0, []), again
    return codes(told, repaired=True)


def leaves(*options: str) -> list[str]:
    """A run that leaves something for a person; what. The next one says the same, and repairs nothing."""
    told = run(*options)
    assert told["code"] == 1, told
    again = run()
    assert codes(again, repaired=False) == codes(told, repaired=False)
    assert again["repaired"] == 0, again
    return codes(told, repaired=False)


def charge_of(sandbox: ShopSandbox, payment: Payment) -> str:
    (charge,) = [one for one in sandbox.charges() if one.status == "succeeded"]
    return str(charge.id)
