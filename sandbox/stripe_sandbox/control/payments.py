"""`/_sandbox/` on payments that are made: what happens to them later, and what the account offers.

The buyer's bank speaks here: a delayed payment comes or does not, a charge is disputed, a dispute decided.
Refunds given here are those that somebody gives on Stripe's Dashboard, outside the shop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stripe_sandbox.box import Box
from stripe_sandbox.checkout import sessions
from stripe_sandbox.control.body import Json, Refused, body, field, only
from stripe_sandbox.core.store import Obj, shown
from stripe_sandbox.resources import charges, disputes, refunds
from stripe_sandbox.resources.payment_intents import objects, offered, settling

HELP = {
    "GET settings": "what the account has switched on",
    "PUT settings": "{delayed_methods: true} offers SEPA Direct Debit for euros, off by default; "
    "{automatic_tax_rate: 8.25} is the per cent of Checkout's automatic_tax, 10 by default; "
    "{fee_percent: 2.9, fee_fixed: 30} is Stripe's fee of a charge, the second in minor units",
    "POST sessions/{id}/settle": "end a delayed payment now: {outcome: succeeded|failed}",
    "POST intents/{id}/settle": "the same for a PaymentIntent",
    "POST charges/{id}/refund": "give back as on the Dashboard: {amount}, or all that is left",
    "POST charges/{id}/dispute": "the buyer's bank disputes it: {reason: fraudulent|...|inquiry}",
    "POST disputes/{id}/close": "the bank decides: {status: won|lost}; an inquiry just ends",
}
OUTCOMES = {"succeeded": True, "failed": False}


def views(box: Box) -> dict[tuple[str, str], Callable[..., Any]]:
    """The addresses of this module, as `control.register` takes them."""
    later = Later(box)
    return {
        ("GET", "/settings"): lambda: offered.settings(box),
        ("PUT", "/settings"): later.switch,
        ("POST", "/sessions/<id>/settle"): later.settle_session,
        ("POST", "/intents/<id>/settle"): later.settle_intent,
        ("POST", "/charges/<id>/refund"): later.refund,
        ("POST", "/charges/<id>/dispute"): later.dispute,
        ("POST", "/disputes/<id>/close"): later.close_dispute,
    }


class Later:
    """The views over one box."""

    def __init__(self, box: Box) -> None:
        self._box = box

    def switch(self) -> Json:
        sent = body()
        only(sent, *offered.SETTINGS)
        for name, value in sent.items():
            if name == "fee_fixed":
                if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 10**6:
                    raise Refused(400, "bad_field", f"{name} is a whole number from 0 to 1000000.")
            elif name in ("automatic_tax_rate", "fee_percent"):
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
                    raise Refused(400, "bad_field", f"{name} is a number from 0 to 100.")
                sent[name] = round(value, 4)
            elif not isinstance(value, bool):
                raise Refused(400, "bad_field", f"{name} is true or false.")
        return offered.switch(self._box, sent)

    def settle_session(self, id: str) -> Json:
        found = sessions.find_session(self._box, id)
        if found is None:
            raise Refused(404, "no_such_session", f"No such Checkout Session: {id}.")
        self._settle(found[1]["payment_intent"])
        _, session = sessions.find_session(self._box, id) or found
        return {"session": id, "payment_status": session["payment_status"]}

    def settle_intent(self, id: str) -> Json:
        return {"payment_intent": id, "status": self._settle(id)["status"]}

    def refund(self, id: str) -> Json:
        sent = body()
        only(sent, "amount")
        amount = field(sent, "amount", int)
        with self._box.store.transaction():
            account, _ = self._find(charges.KIND, id)
            given = {"charge": id} | ({} if amount is None else {"amount": amount})
            return shown_object(refunds.give(self._box, account, given))

    def dispute(self, id: str) -> Json:
        sent = body()
        only(sent, "reason")
        reason = field(sent, "reason", str) or "fraudulent"
        if reason not in (disputes.INQUIRY, *disputes.REASONS):
            known = ", ".join((disputes.INQUIRY, *disputes.REASONS))
            raise Refused(400, "bad_field", f"reason is one of {known}.")
        with self._box.store.transaction():
            account, charge = self._find(charges.KIND, id)
            disputes.check_disputable(self._box, account, charge)
            return shown_object(disputes.open_dispute(self._box, account, charge, reason))

    def close_dispute(self, id: str) -> Json:
        sent = body()
        only(sent, "status")
        status = sent.get("status")
        if status not in ("won", "lost"):
            raise Refused(400, "bad_field", "status is won or lost.")
        with self._box.store.transaction():
            account, dispute = self._find(disputes.KIND, id)
            if dispute["status"] not in disputes.OPEN:
                raise Refused(409, "closed", f"This dispute is {dispute['status']} already.")
            return shown_object(disputes.decide(self._box, account, dispute, won=status == "won"))

    def _find(self, kind: str, id: str) -> tuple[str, Obj]:
        found = self._box.store.find(kind, id)
        if found is None:
            raise Refused(404, f"no_such_{kind}", f"No such {kind}: {id}.")
        return found

    def _settle(self, intent_id: str | None) -> Obj:
        """End the debit that an intent waits for; the intent after it."""
        sent = body()
        only(sent, "outcome")
        outcome = sent.get("outcome")
        if outcome not in (None, *OUTCOMES):
            raise Refused(400, "bad_field", f"outcome is one of {', '.join(OUTCOMES)}.")
        with self._box.store.transaction():
            account, intent = self._intent(intent_id)
            charge = settling.pending_charge(self._box, account, intent)
            if charge is None:
                raise Refused(409, "not_pending", "No delayed payment is on its way here.")
            settling.decide(self._box, account, charge, succeeds=OUTCOMES.get(outcome or ""))
            return self._intent(intent_id)[1]

    def _intent(self, id: str | None) -> tuple[str, Obj]:
        if id is None:
            raise Refused(409, "not_pending", "Nobody has tried to pay this yet.")
        return self._find(objects.KIND, id)


def shown_object(obj: Obj) -> Json:
    """As Stripe would show it."""
    found: Json = shown(obj)
    return found
