"""What a buy, a webhook, an order's page, a receipt cost: processor time and statements, in this process.

`python -m bench.flows [ROUNDS]` on a PostgreSQL and a sandbox of its own, with production settings. Each
figure is a ratio to a reference that was taken in the same round: the bare `sessions.create` of one shared
client, or Django's null view. The last line is one JSON object.

Microseconds are this process's user and system time, so PostgreSQL and the sandbox are not in them.
Statements are those that Django sends, savepoints too; BEGIN and COMMIT are not among them.
"""

import json
import os
import secrets
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench.nothing import USUAL
from bench.place import CARD, Cost, Order, Place, place
from bench.servers import KEY, Answer, cpu_of_tree_us

# The flows: each makes what it needs, and returns what one call of several costs. -----------------------

#: Calls that one figure is the mean of: the first after a pause finds the processor's caches cold.
TIMES = 10


def bare_create(here: Place) -> Cost:
    """`sessions.create` of one shared client, with the inputs that the shop sends."""
    client, inputs = _bare(here)
    return here.cost(*[lambda: client.v1.checkout.sessions.create(inputs)] * TIMES)


def _bare(here: Place) -> tuple[Any, dict[str, Any]]:
    if here.bare is None:
        import stripe

        from kopeck.payments.models import Payment

        client = stripe.StripeClient(
            KEY,
            http_client=stripe.RequestsClient(timeout=30),
            base_addresses={"api": here.stripe_url},
        )
        here.call("GET", f"/buy/{here.item}", cookie=here.cookie())
        here.bare = client, Payment.objects.latest("pk").inputs
    return here.bare


def buy(here: Place, *, few: bool = False, way: str = "buy") -> Cost:
    """A whole buy through the view, by browsers whose cookie is new."""
    item = here.few if few else here.item

    def press() -> Answer:
        return here.call("GET", f"/{way}/{item}", cookie=here.cookie(), sec_fetch_site="same-origin")

    return here.cost(*[press] * TIMES, expect=lambda answer: answer.status == 200)


def null(here: Place) -> Cost:
    """Django's null view with its default middleware."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings

    with override_settings(MIDDLEWARE=USUAL, ROOT_URLCONF="bench.nothing"):
        app = WSGIHandler()
        return here.cost(*[lambda: here.call("GET", "/nothing/here", app=app)] * TIMES)


def webhook_stored(here: Place) -> Cost:
    """An event that the shop needs not: stored, and nothing more."""
    posts = [here.post(event) for event in _other_events(here)]
    return here.cost(*posts, expect=lambda answer: b"ignored" in answer.body)


def webhook_duplicate(here: Place) -> Cost:
    """The same event once more."""
    posts = [here.post(event) for event in _other_events(here)]
    for post in posts:
        post()
    return here.cost(*posts, expect=lambda answer: b"ignored" in answer.body)


def _other_events(here: Place) -> list[dict[str, Any]]:
    _, events = paid(here)
    event = next(event for event in events if event["type"] == "charge.succeeded")
    return [{**event, "id": f"evt_{secrets.token_hex(12)}"} for _ in range(TIMES)]


def webhook_applied(here: Place) -> Cost:
    """`checkout.session.completed` of a session that was paid a moment ago."""
    posts = [here.post(completed(paid(here)[1])) for _ in range(TIMES)]
    return here.cost(*posts, expect=lambda answer: b"done" in answer.body)


def completed(events: list[dict[str, Any]]) -> dict[str, Any]:
    return next(event for event in events if event["type"] == "checkout.session.completed")


def paid(here: Place) -> tuple[str, list[dict[str, Any]]]:
    """A session that was bought and paid, of which the shop has not heard; the events of that."""
    answer = here.call("GET", f"/buy/{here.item}", cookie=here.cookie(), sec_fetch_site="same-origin")
    session = str(json.loads(answer.body)["session_id"])
    here.control(f"sessions/{session}/pay", {"card": CARD, "email": "buyer@example.com"})
    return session, here.events_of(session)


def page(here: Place, path: str) -> Cost:
    """A page that is kept ready, for somebody new."""
    return here.cost(*[lambda: here.call("GET", path)] * TIMES, expect=lambda answer: answer.status == 200)


def item(here: Place) -> Cost:
    return page(here, f"/item/{here.item}")


def window(here: Place) -> Cost:
    return page(here, "/")


def order_page(here: Place) -> Cost:
    """The page of an order that is not paid yet, as its buyer sees it."""
    from kopeck.orders.models import Order

    cookie = here.cookie()
    here.call("GET", f"/buy/{here.item}", cookie=cookie)
    order = Order.objects.latest("pk").pk
    look = partial(here.call, "GET", f"/order/{order}", cookie=cookie)
    return here.cost(*[look] * TIMES, expect=lambda answer: answer.status == 200)


def receipts(here: Place) -> Cost:
    """A receipt, of several that are owed at once: written, and given to a mail server that takes all.

    The statements are those of all of them.
    """
    from kopeck.mail import jobs

    with sent_to_nobody():
        jobs.send_due(0)
        for _ in range(TIMES):
            here.post(completed(paid(here)[1]))()
        spent = here.cost(lambda: jobs.send_due(0))
    return Cost(spent.us / TIMES, spent.statements)


def sent_to_nobody() -> Any:
    from django.test import override_settings

    return override_settings(EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend")


def paid_order(here: Place) -> Cost:
    """Ten page views, the buy, its events, the way back, its receipt: web, worker and PostgreSQL.

    Of the worker, what it does for the mails; what it costs to fetch jobs is not here.
    """
    from kopeck.mail import jobs

    with sent_to_nobody():
        jobs.send_due(0)
        cpu, stored = cpu_of_tree_us(here.postgres), here.stored()
        parts = [part for _ in range(TIMES) for part in _paid_order(here)]
        mails = here.cost(lambda: jobs.send_due(0))
        database = cpu_of_tree_us(here.postgres) - cpu
        tables, log = (after - before for before, after in zip(stored, here.stored(), strict=True))
    web = sum(part.us for part in parts)
    here.orders.append(Order(*(one / TIMES for one in (web, mails.us, database, tables, log))))
    statements = sum(part.statements for part in [*parts, mails])
    return Cost((web + mails.us + database) / TIMES, statements // TIMES)


def _paid_order(here: Place) -> Iterator[Cost]:
    cookie = here.cookie()
    for _ in range(10):
        yield here.cost(partial(here.call, "GET", f"/item/{here.item}", cookie=cookie))
    yield here.cost(partial(here.call, "GET", f"/buy/{here.item}", cookie=cookie))
    from kopeck.orders.models import Order

    order = Order.objects.latest("pk")
    session = order.payments.get().stripe_id
    here.control(f"sessions/{session}/pay", {"card": CARD, "email": "buyer@example.com"})
    for event in here.events_of(str(session)):
        if event["type"].startswith(SUBSCRIBED):
            one = here.cost(here.post(event))
            yield Cost(one.us + here.asked, one.statements)
    back = f"/order/{order.pk}/return?session_id={session}"
    for path in (back, f"/order/{order.pk}"):
        yield here.cost(partial(here.call, "GET", path, cookie=cookie))


#: The events that the shop's endpoint asks Stripe for, by their beginning.
SUBSCRIBED = ("checkout.session.", "payment_intent.", "charge.refund", "charge.dispute.", "refund.")


FLOWS: dict[str, Callable[[Place], Cost]] = {
    "bare_create": bare_create,
    "null": null,
    "item": item,
    "window": window,
    "buy": buy,
    "buy_few": partial(buy, few=True),
    "intent": partial(buy, way="intent"),
    "webhook_stored": webhook_stored,
    "webhook_duplicate": webhook_duplicate,
    "webhook_applied": webhook_applied,
    "order": order_page,
    "receipt": receipts,
    "paid_order": paid_order,
}


#: Whose statements have a goal.
COUNTED = ("item", "window", "buy", "order", "webhook_applied")


def measure(here: Place, rounds: int, names: list[str]) -> dict[str, Cost]:
    """Medians of so many rounds, the flows interleaved, after a round that warms all up."""
    found: dict[str, list[Cost]] = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names:
            cost = FLOWS[name](here)
            if turn:
                found[name].append(cost)
    return {
        name: Cost(statistics.median(one.us for one in costs), max(one.statements for one in costs))
        for name, costs in found.items()
    }


def ratios(costs: dict[str, Cost]) -> dict[str, float]:
    """The keys of the goals."""
    null_us = costs["null"].us
    found = {"buy_cpu_vs_sdk": costs["buy"].us / costs["bare_create"].us}
    for name in ("webhook_stored", "webhook_duplicate", "webhook_applied"):
        found[f"{name}_vs_null"] = null_us / costs[name].us
    return found | {"paid_order_in_nulls": costs["paid_order"].us / null_us}


def main() -> int:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 5
    names = sys.argv[2:] or list(FLOWS)
    with place() as here, open(os.devnull, "w") as nowhere:
        sys.stderr = nowhere  # the log's lines are made, and shown to nobody
        here.set_up()
        costs = measure(here, rounds, names)
        for name, cost in costs.items():
            print(f"{name:<20}{cost.us:10.0f} us {cost.statements:4} statements")
        for name in Order._fields if here.orders else ():
            least, *_, most = sorted(getattr(order, name) for order in here.orders)
            middle = statistics.median(getattr(order, name) for order in here.orders)
            print(f"of a paid order, {name:<15}{middle:10.0f} ({least:.0f} to {most:.0f})")
        if names == list(FLOWS):
            figures = {name: round(value, 3) for name, value in ratios(costs).items()}
            print(json.dumps(figures | {"queries": {name: costs[name].statements for name in COUNTED}}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
