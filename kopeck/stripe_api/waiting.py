"""Waiting for what another thread or process asks Stripe: of many who want to know, one asks."""

import time
from collections.abc import Callable

from kopeck import stopping
from kopeck.database.slow import release_database
from kopeck.sentences import Sentence
from kopeck.stripe_api.bulkhead import bulkhead
from kopeck.stripe_api.client import StripeUnavailable

SILENT = Sentence("Stripe is silent, and too many wait for it.")


def wait_until(done: Callable[[], bool], *, patience: float) -> bool:
    """Until `done`, asked again and again; False after `patience` seconds. No connection is held meanwhile.

    Raises StripeUnavailable when Stripe is silent and those who wait for others fill the process.
    """
    pause, deadline = 0.02, time.monotonic() + patience
    with bulkhead().waiting():
        while not done():
            if time.monotonic() >= deadline:
                return False
            release_database()
            stopping.sleep(pause)
            pause = min(pause * 1.5, 0.3)
            if bulkhead().is_crowded():
                raise StripeUnavailable(SILENT())
        return True
