"""Lists with their cursors and filters."""

import pytest
import stripe

from sandbox_testing.orders import line, open_session, pay
from sandbox_testing.server import CheckedSandbox
from stripe_sandbox.core import ids


def make_sessions(client: stripe.StripeClient, count: int) -> list[str]:
    return [open_session(client).id for _ in range(count)]


def test_lists_are_newest_first_with_ten_a_page(client: stripe.StripeClient) -> None:
    made = make_sessions(client, 12)
    page = client.v1.checkout.sessions.list()
    assert [session.id for session in page.data] == made[:1:-1]
    assert page.has_more
    assert page.url == "/v1/checkout/sessions"


def test_auto_paging_reaches_every_object_in_both_directions(client: stripe.StripeClient) -> None:
    made = make_sessions(client, 7)
    pages = client.v1.checkout.sessions.list({"limit": 3})
    assert [session.id for session in pages.auto_paging_iter()] == made[::-1]
    backwards = client.v1.checkout.sessions.list({"limit": 2, "ending_before": made[0]})
    assert [session.id for session in backwards.data] == [made[2], made[1]]
    assert backwards.has_more
    assert [session.id for session in backwards.auto_paging_iter()] == made[1:]


def test_the_last_page_has_no_more(client: stripe.StripeClient) -> None:
    made = make_sessions(client, 3)
    page = client.v1.checkout.sessions.list({"limit": 2, "starting_after": made[1]})
    assert [session.id for session in page.data] == [made[0]]
    assert not page.has_more


@pytest.mark.parametrize(("limit", "length"), [(-1, 1), (0, 1), (1, 1), (100, 100), (101, 100), (10**9, 100)])
def test_a_page_has_1_to_100_objects_whatever_is_asked_for(
    client: stripe.StripeClient, sandbox: CheckedSandbox, account: str, limit: int, length: int
) -> None:
    """As recorded of Stripe on 2026-09-19: it moves the limit without a word."""
    made = sandbox.box.store.get(account, "customer", client.v1.customers.create({}).id)
    assert made is not None
    for _ in range(100):
        sandbox.box.store.insert(account, {**made, "id": ids.new("cus")})
    listed = client.v1.customers.list({"limit": limit})
    assert (len(listed.data), listed.has_more) == (length, True)


def test_a_limit_that_is_no_number_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.list({"limit": "abc"})  # type: ignore[typeddict-item]
    assert (caught.value.code, caught.value.param) == ("parameter_invalid_integer", "limit")
    assert caught.value.user_message == "Invalid integer: abc"


def test_both_cursors_are_one_too_many(client: stripe.StripeClient) -> None:
    first, second = make_sessions(client, 2)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.list({"starting_after": first, "ending_before": second})
    assert (caught.value.code, caught.value.param) == (None, None)
    assert caught.value.user_message == (
        "Received both starting_after and ending_before parameters. Please pass in only one."
    )
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.list({"starting_after": "cs_nope", "ending_before": second})
    assert (caught.value.code, caught.value.param) == ("resource_missing", "starting_after")


def test_an_unknown_cursor_is_named(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.charges.list({"starting_after": "ch_nope"})
    assert (caught.value.code, caught.value.param) == ("resource_missing", "starting_after")


def test_created_filters(client: stripe.StripeClient) -> None:
    session = open_session(client)
    listed = client.v1.customers.list
    client.v1.customers.create({})
    assert len(listed({"created": {"gte": session.created}}).data) == 1
    assert listed({"created": {"gt": session.created + 60}}).data == []
    assert len(client.v1.events.list({"created": {"lte": session.created + 60}}).data) > 0


def test_sessions_are_found_by_status_and_intent(
    client: stripe.StripeClient, sandbox: CheckedSandbox
) -> None:
    open_, paid = make_sessions(client, 2)
    pay(sandbox, paid, email="ann@shop.example")
    by_status = client.v1.checkout.sessions.list({"status": "complete"}).data
    assert [session.id for session in by_status] == [paid]
    intent = by_status[0].payment_intent
    assert isinstance(intent, str)
    assert [s.id for s in client.v1.checkout.sessions.list({"payment_intent": intent}).data] == [paid]
    by_email = client.v1.checkout.sessions.list({"customer_details": {"email": "ann@shop.example"}}).data
    assert [session.id for session in by_email] == [paid]
    assert [s.id for s in client.v1.checkout.sessions.list({"status": "open"}).data] == [open_]


def test_a_session_shows_ten_of_its_lines_and_lists_the_rest(client: stripe.StripeClient) -> None:
    amounts = [1000 + number for number in range(25)]
    session = open_session(client, *(line(amount) for amount in amounts), expand=["line_items"])
    assert [item.amount_total for item in session.line_items.data] == amounts[:10]
    assert session.line_items.has_more
    listed = client.v1.checkout.sessions.line_items.list(session.id, {"limit": 10})
    assert [item.amount_total for item in listed.auto_paging_iter()] == amounts
