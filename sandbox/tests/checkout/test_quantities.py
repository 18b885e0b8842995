"""Lines of which the buyer chooses how many."""

from typing import Any

import pytest
import stripe

from sandbox_testing.orders import line, open_session, pay
from sandbox_testing.own import control
from sandbox_testing.server import CheckedSandbox
from sandbox_testing.shopping import look, submit, text_of

Client = stripe.StripeClient


def few(amount: int = 1000, quantity: int = 2, **bounds: Any) -> dict[str, Any]:
    return line(amount, quantity=quantity, adjustable_quantity={"enabled": True, **bounds})


def items(client: Client, id: str) -> list[Any]:
    return client.v1.checkout.sessions.line_items.list(id).data


def change(session: Any, item: str, quantity: int | str, **more: str) -> Any:
    return submit(f"{session.url}/quantity", {"line": item, "quantity": str(quantity), **more})


def test_a_buyer_has_more_or_fewer_and_every_sum_follows(client: Client, sandbox: CheckedSandbox) -> None:
    rate = client.v1.tax_rates.create({"display_name": "VAT", "percentage": 20, "inclusive": False})
    session = open_session(client, few(maximum=5, minimum=1) | {"tax_rates": [rate.id]}, line(500))
    adjustable, fixed = items(client, session.id)
    assert adjustable.adjustable_quantity.to_dict() == {"enabled": True, "maximum": 5, "minimum": 1}
    assert fixed.adjustable_quantity is None
    assert change(session, adjustable.id, 4).status_code == 303
    changed: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert (changed.amount_subtotal, changed.total_details.amount_tax, changed.amount_total) == (
        4500,
        800,
        5300,
    )
    again, _ = items(client, session.id)
    assert (again.id, again.quantity, again.amount_total) == (adjustable.id, 4, 4800)
    assert change(session, adjustable.id, 4, step="1").status_code == 303
    assert pay(sandbox, session.id)["outcome"] == "paid"
    assert client.v1.payment_intents.list().data[0].amount == 6500


def test_a_discount_follows(client: Client) -> None:
    coupon = client.v1.coupons.create({"percent_off": 50, "duration": "once"})
    session = open_session(client, few(), discounts=[{"coupon": coupon.id}])
    change(session, items(client, session.id)[0].id, 3)
    changed: Any = client.v1.checkout.sessions.retrieve(session.id)
    assert (changed.total_details.amount_discount, changed.amount_total) == (1500, 1500)


def test_none_takes_the_line_out_but_never_the_last(client: Client) -> None:
    session = open_session(client, few(), few(500, 1))
    first, second = items(client, session.id)
    assert change(session, first.id, 0).status_code == 303
    assert [item.id for item in items(client, session.id)] == [second.id]
    refused = change(session, second.id, 0)
    assert refused.headers["Location"].endswith("?wrongQuantity=This+quantity+is+not+offered.")
    assert "This quantity is not offered." in text_of(
        look(f"http://{_host(session)}{refused.headers['Location']}")
    )
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 500


def _host(session: Any) -> str:
    return str(session.url).split("/")[2]


@pytest.mark.parametrize("wanted", ["6", "-1", "", "two", "1e3", "9999999"])
def test_what_is_not_offered_changes_nothing(client: Client, wanted: str) -> None:
    session = open_session(client, few(maximum=5), line(500))
    adjustable, fixed = items(client, session.id)
    assert "wrongQuantity=" in change(session, adjustable.id, wanted).headers["Location"]
    assert "wrongQuantity=" in change(session, fixed.id, 3).headers["Location"]
    assert "wrongQuantity=" in change(session, "li_nope", 3).headers["Location"]
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 2500


@pytest.mark.parametrize(
    ("bounds", "param"),
    [
        ({"maximum": 1}, "quantity"),
        ({"minimum": 3}, "quantity"),
        ({"maximum": 1_000_000}, "adjustable_quantity][maximum"),
        ({"minimum": 6, "maximum": 5}, "adjustable_quantity][minimum"),
    ],
)
def test_bounds_that_cannot_be_are_refused(client: Client, bounds: dict[str, int], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        open_session(client, few(**bounds))
    assert caught.value.param == f"line_items[0][{param}]"


def test_control_chooses_too(client: Client, sandbox: CheckedSandbox) -> None:
    session = open_session(client, few())
    [item] = items(client, session.id)
    wrong = {"card": "4242424242424242", "quantities": {item.id: 100}}
    assert control(sandbox.url, "POST", f"sessions/{session.id}/pay", wrong)[0] == 400
    assert pay(sandbox, session.id, quantities={item.id: 7})["outcome"] == "paid"
    assert client.v1.checkout.sessions.retrieve(session.id).amount_total == 7000


def test_a_try_that_failed_is_followed_by_one_of_the_new_sum(client: Client, sandbox: CheckedSandbox) -> None:
    session = open_session(client, few())
    pay(sandbox, session.id, "4000000000000002")
    change(session, items(client, session.id)[0].id, 3)
    pay(sandbox, session.id)
    [intent] = client.v1.payment_intents.list().data
    assert (intent.amount, intent.amount_received) == (3000, 3000)
