"""How often visitors make the shop ask Stripe about a payment: seldom, however often they come.

An account in test mode takes 25 questions a second from all visitors together. What was asked a moment ago is
answered by what is known, and the rest has a budget by visitor and address (abuse/budgets.py).
"""

import threading
import time
from concurrent.futures import Future

from django.utils.translation import gettext as _

from kopeck.abuse import budgets
from kopeck.abuse.budgets import Allowance, too_many
from kopeck.abuse.rates import Rate
from kopeck.payments.models import Payment
from kopeck.payments.refusals import unavailable
from kopeck.stripe_api.client import gateway
from kopeck.stripe_api.waiting import wait_until

#: Seconds in which visitors make the shop ask about a payment once. Fewer than the three after which the page
#: of an unconfirmed payment asks again (order.html): who waits there is always answered by Stripe.
FRESH = 2
#: How long one waits for what another thread asks; longer than all tries at Stripe take.
PATIENCE = 60.0

_lock = threading.Lock()
#: Of each intent asked about lately: when, and its secret as soon as Stripe has said it.
_secrets: dict[tuple[str, str], tuple[float, "Future[str]"]] = {}


def may_ask(payment: Payment, allowance: Allowance) -> bool:
    """Whether Stripe is to be asked about this payment now: of many who want to know it, one is to."""
    if budgets.count((f"asks payment {payment.pk}", Rate(1, FRESH))):
        return False
    return not allowance.count_question()


def client_secret(payment: Payment, allowance: Allowance) -> str:
    """What confirms this intent in the buyer's browser.

    Asked of Stripe, and remembered for a moment in this process alone: it is enough to confirm the
    payment, so it is written nowhere. Of many at once one asks, and the others get its answer.
    Raises ShopError 429, StripeUnavailable, StripeRefused.
    """
    key = (payment.account, payment.stripe_id or "")
    with _lock:
        _drop_old()
        asked = _secrets.get(key)
        answer: Future[str] = asked[1] if asked else Future()
        if asked is None:
            _secrets[key] = (time.monotonic(), answer)
    if asked is not None:
        if not wait_until(answer.done, patience=PATIENCE):
            raise unavailable()
        return answer.result()
    try:
        if seconds := allowance.count_question():
            message = _("That was asked for often in a short time. Please try again in a minute.")
            raise too_many(message, seconds)
        answer.set_result(gateway(payment.account).retrieve("intent", key[1])["client_secret"])
    except BaseException as problem:
        with _lock:
            _secrets.pop(key, None)
        answer.set_exception(problem)
        raise
    return answer.result()


def forget() -> None:
    """Forgets every secret."""
    with _lock:
        _secrets.clear()


def _drop_old() -> None:
    before = time.monotonic() - FRESH
    for key in [key for key, (at, answer) in _secrets.items() if at < before and answer.done()]:
        del _secrets[key]
