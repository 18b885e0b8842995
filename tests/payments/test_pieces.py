"""Pieces, function by function: what is left for whom, what is held, taken, put back. No Stripe is needed."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from kopeck.catalog.models import Item
from kopeck.errors import ShopError
from kopeck.orders import placing
from kopeck.orders.models import Order
from kopeck.orders.wanted import Wanted
from kopeck.payments import stock
from kopeck.payments.models import Payment
from tests.support.shop import make_item
from tests.support.stocking import stock_of

pytestmark = pytest.mark.django_db
HERE, THERE = "here", "there"


def place(*wanted: tuple[Item, int], visitor: str = "v", **facts: Any) -> Order:
    return placing.place([Wanted(item, quantity) for item, quantity in wanted], visitor=visitor, **facts)


def live(order: Order, *, holds: int | None = None, address: str = THERE, status: str = "open") -> Order:
    """With a payment that holds so many pieces of each line; None: all of them."""
    paid_at = timezone.now() if status == "paid" else None
    Payment.objects.create(
        order=order, account="default", kind="checkout", status=status, stripe_id=f"cs_{order.pk}", attempt=1,
        amount=order.total, currency="usd", asked_from=address, inputs={}, paid_at=paid_at,
        expires_at=timezone.now() + timedelta(minutes=30),
    )  # fmt: skip
    order.lines.update(held=holds)
    return order


def lefts(**own: Any) -> dict[str, int | None]:
    found = stock.with_left(Item.objects.all(), Q(**own) if own else None)
    return {item.name: item.left for item in found}


def refused(call: Any) -> tuple[str, int, str]:
    with pytest.raises(ShopError) as refusal:
        call()
    return refusal.value.code, refusal.value.status, str(refusal.value)


def test_left_is_what_no_live_payment_holds_and_never_below_nothing() -> None:
    pot, cup = make_item(name="Pot", stock=5), make_item(name="Cup", stock=2)
    make_item(name="Free", stock=None)
    first = live(place((pot, 2), (cup, 1)))
    live(place((pot, 3)), holds=1)
    live(place((pot, 1)), status="expired")
    live(place((pot, 1)), status="paid")
    place((pot, 1))
    assert lefts() == {"Pot": 2, "Cup": 1, "Free": None}
    assert lefts(order=first) == {"Pot": 4, "Cup": 2, "Free": None}
    Item.objects.filter(stock__gte=2).update(stock=1)
    assert lefts() == {"Pot": 0, "Cup": 0, "Free": None}


@pytest.mark.parametrize("status", ["creating", "open", "processing"])
def test_every_payment_that_can_become_money_holds(status: str) -> None:
    pot = make_item(name="Pot", stock=5)
    live(place((pot, 2)), status=status)
    assert lefts() == {"Pot": 3}


def test_what_an_order_could_have_now_counts_its_own_pieces_in() -> None:
    pot, free = make_item(name="Pot", stock=5), make_item(name="Free", stock=None)
    mine = live(place((pot, 2), (free, 1)))
    live(place((pot, 2)))
    found = {line.name: (line.left, line.stock) for line in stock.lines_with_left(mine)}
    assert found == {"Pot": (3, 5), "Free": (None, None)}


@pytest.mark.parametrize(("left", "most"), [(None, 99), (0, 0), (5, 5), (98, 98), (100, 99)])
def test_the_largest_quantity_of_a_field(left: int | None, most: int) -> None:
    assert stock.most(left) == most


def test_ones_own_orders_are_those_of_the_visitor_that_can_still_be_paid() -> None:
    pot = make_item(name="Pot", stock=9)
    bought = live(place((pot, 1), visitor="me", buy_item=pot))
    in_window = live(place((pot, 2), visitor="me"))
    live(place((pot, 3), visitor="other", buy_item=pot))

    def left(own: Q) -> int:
        (item,) = stock.with_left(Item.objects.all(), own)
        return int(item.left)

    assert left(stock.own_purchase("me", pot.pk)) == 9 - 5
    assert left(stock.own_window("me")) == 9 - 4
    assert left(stock.own_purchase("me", pot.pk + 1)) == 3
    Order.objects.filter(pk__in=[bought.pk, in_window.pk]).update(status="processing")
    assert left(stock.own_purchase("me", pot.pk)) == left(stock.own_window("me")) == 3


@pytest.mark.parametrize(
    ("pieces", "quantity", "others", "nearby", "holds"),
    [
        (10, 3, 0, 0, 3),
        (10, 6, 0, 0, 5),  # half
        (9, 6, 0, 0, 4),
        (10, 5, 4, 0, 3),  # half of what others leave
        (10, 5, 0, 2, 3),  # of which this address has two already
        (10, 5, 0, 5, 0),
        (10, 1, 0, 9, 0),
        (1, 1, 0, 0, 1),  # one piece it may always hold
        (2, 1, 0, 1, 0),
        (3, 3, 0, 0, 1),
    ],
)
def test_one_address_holds_half_of_what_others_leave_and_always_one(
    pieces: int, quantity: int, others: int, nearby: int, holds: int
) -> None:
    pot = make_item(stock=pieces)
    if others:
        live(place((pot, others)), address=THERE)
    if nearby:
        live(place((pot, nearby)), address=HERE)
    order = place((pot, quantity))
    stock.hold(order, shown=True, address=HERE)
    assert order.lines.get().holds == holds


def test_who_was_shown_no_page_holds_nothing_and_a_line_without_limit_is_left_alone() -> None:
    pot, free = make_item(stock=10), make_item(stock=None)
    order = place((pot, 3), (free, 2))
    stock.hold(order, shown=False, address=HERE)
    assert [line.held for line in order.lines.all()] == [0, None]
    stock.hold(order, shown=True, address=HERE)
    assert [line.holds for line in order.lines.all()] == [3, 2]


@pytest.mark.parametrize("way", [lambda order: stock.hold(order, shown=True, address=HERE), stock.require])
def test_what_is_not_there_is_refused_with_what_is(way: Any) -> None:
    pot, cup = make_item(name="Pot", stock=5), make_item(name="Cup", stock=5)
    live(place((cup, 3)))
    way(place((pot, 5), (cup, 2)))
    too_many = place((pot, 1), (cup, 3))
    said = refused(lambda: way(too_many))
    assert said == ("not_enough_stock", 409, "Only 2 pieces of “Cup” are left. Please take fewer.")
    live(place((cup, 2)))
    code, status, text = refused(lambda: way(too_many))
    assert (code, status) == ("sold_out", 409)
    assert "somebody else is paying for the last one" in text
    Item.objects.update(stock=0)
    assert refused(lambda: way(too_many)) == ("sold_out", 409, "“Pot” is sold out.")
    own = live(place((make_item(name="Mug", stock=2), 2)))
    way(own)  # what it holds itself is its own


def test_one_piece_is_written_in_the_singular() -> None:
    assert str(stock.short("Pot", 1, is_held=True)) == "Only 1 piece of “Pot” is left. Please take fewer."


def test_all_of_an_order_is_taken_or_nothing() -> None:
    pot, cup, free = make_item(name="Pot", stock=5), make_item(name="Cup", stock=2), make_item(stock=None)
    order = place((pot, 2), (cup, 2), (free, 1))
    assert stock.take(order, held=True) == []
    assert (stock_of(pot), stock_of(cup), stock_of(free)) == (3, 0, None)
    assert stock.take(order, held=True) == ["Cup"]
    assert (stock_of(pot), stock_of(cup)) == (3, 0)
    Item.objects.update(stock=1)
    assert stock.take(order, held=True) == ["Pot", "Cup"]


def test_what_others_hold_is_theirs_unless_the_payment_held_all_of_its_line() -> None:
    pot = make_item(name="Pot", stock=5)
    live(place((pot, 4)))
    order = place((pot, 2))
    assert stock.take(order, held=True) == []  # which it held till now
    Item.objects.update(stock=5)
    assert stock.take(order, held=False) == ["Pot"]
    order.lines.update(held=1)
    assert stock.take(order, held=True) == ["Pot"]
    assert stock_of(pot) == 5
    Item.objects.update(stock=6)
    assert stock.take(order, held=False) == []
    assert stock_of(pot) == 4


def test_pieces_are_put_back_by_line_and_told() -> None:
    pot, cup, free = make_item(name="Pot", stock=5), make_item(name="Cup", stock=0), make_item(stock=None)
    order = place((pot, 2), (free, 1))
    other = place((free, 1), (pot, 1))
    line, unlimited = order.lines.order_by("pk")
    assert stock.put_back({line.pk: 2, unlimited.pk: 1}) == ["2 × Pot"]
    assert (stock_of(pot), stock_of(cup), stock_of(free)) == (7, 0, None)
    assert stock.put_back({}) == []
    assert other.lines.count() == 2


def test_pieces_are_taken_again_as_far_as_nobody_else_has_them() -> None:
    pot, cup, mug = (make_item(name=name, stock=5) for name in ("Pot", "Cup", "Mug"))
    order = place((pot, 3), (cup, 3), (mug, 3))
    first, second, third = order.lines.order_by("pk")
    live(place((cup, 4), (mug, 5)))
    assert stock.take_again({first.pk: 3, second.pk: 2, third.pk: 1}, order) == (
        ["3 × Pot", "1 × Cup"],
        ["1 × Cup", "1 × Mug"],
    )
    assert (stock_of(pot), stock_of(cup), stock_of(mug)) == (2, 4, 5)
    assert stock.take_again({first.pk: 2}, order) == (["2 × Pot"], [])
    assert stock.take_again({first.pk: 1}, order) == ([], ["1 × Pot"])
    assert stock_of(pot) == 0
    assert stock.take_again({}, order) == ([], [])


def test_a_new_order_of_more_than_is_left_is_refused() -> None:
    pot, free = make_item(name="Pot", stock=5), make_item(stock=None)
    live(place((pot, 2)))
    stock.refuse_short([Wanted(free, 99)])
    stock.refuse_short([Wanted(pot, 3), Wanted(free, 99)])
    code, status, text = refused(lambda: stock.refuse_short([Wanted(free, 1), Wanted(pot, 4)]))
    assert (code, status) == ("not_enough_stock", 409)
    assert "3 pieces of “Pot”" in text
    live(place((pot, 3)))
    assert "somebody else" in refused(lambda: stock.refuse_short([Wanted(pot, 1)]))[2]
    Item.objects.filter(pk=pot.pk).update(stock=0)
    pot.refresh_from_db()
    assert refused(lambda: stock.refuse_short([Wanted(pot, 1)]))[2] == "“Pot” is sold out."
