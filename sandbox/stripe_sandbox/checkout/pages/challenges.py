"""3-D Secure challenges that the hosted page has begun: the card waits here while "the bank" asks.

In memory on purpose: a card number is never written to the sandbox's file, nor sent back to the browser.
After a restart an open challenge is unknown and the buyer is asked for the card again.
"""

import secrets
import threading
import time
from dataclasses import dataclass

from stripe_sandbox.checkout.buyer import Buyer
from stripe_sandbox.rules.cards import Card

LIFETIME = 15 * 60
MOST = 1000


@dataclass(frozen=True)
class Challenge:
    """A payment waiting for its buyer: session, card, who it is, and what the form said besides the card;
    `until` is in monotonic seconds."""

    session: str
    card: Card
    buyer: Buyer
    values: dict[str, str]
    until: float


class Challenges:
    """Open challenges by an unguessable token; each can be answered once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Challenge] = {}

    def begin(self, session: str, card: Card, buyer: Buyer, values: dict[str, str]) -> str:
        """Remember the payment; the token for its page's address."""
        token = secrets.token_urlsafe(16)
        now = time.monotonic()
        with self._lock:
            self._open = {key: item for key, item in self._open.items() if item.until > now}
            while len(self._open) >= MOST:
                self._open.pop(next(iter(self._open)))
            self._open[token] = Challenge(session, card, buyer, values, now + LIFETIME)
        return token

    def peek(self, session: str, token: str) -> Challenge | None:
        """The challenge, still open; None if there is none such for this session."""
        with self._lock:
            found = self._open.get(token)
        return found if found and found.session == session and found.until > time.monotonic() else None

    def take(self, session: str, token: str) -> Challenge | None:
        """The challenge, and close it: of two answers one gets it, the other None."""
        if self.peek(session, token) is None:
            return None
        with self._lock:
            return self._open.pop(token, None)
