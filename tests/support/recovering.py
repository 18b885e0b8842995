"""What the tests of events that never arrive share: the worker's reading of Stripe's list of events."""

from kopeck.webhooks import jobs as webhook_jobs
from tests.support.shop import ShopSandbox


def recover(sandbox: ShopSandbox, seconds: int = 120) -> int:
    """Some minutes pass, and the worker takes in what has not arrived till then; how many events."""
    sandbox.control("POST", "clock/advance", {"seconds": seconds})
    return webhook_jobs.recover()
