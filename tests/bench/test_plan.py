"""The plan of a storm: the same for a seed, with every kind of blow, without those that are left out."""

import pytest

from bench.chaos.plan import HOLD, KEYS, Blow, milestones


def kinds(planned: list[tuple[int, Blow]]) -> set[str]:
    return {blow.what for _number, blow in planned}


@pytest.mark.parametrize("buys", [1, 60, 1000])
def test_every_storm_has_every_kind_of_blow(buys: int) -> None:
    planned = milestones(1, buys)
    assert {"tax", HOLD, KEYS} <= kinds(planned)
    assert planned == milestones(1, buys)
    assert [number for number, _ in planned] == sorted(number for number, _ in planned)
    late = [number for number, blow in planned if blow.what in ("tax", HOLD, KEYS)]
    assert all(0 <= number < buys for number in late)  # what waits for more buyers than there are never comes


@pytest.mark.parametrize("without", [(HOLD,), (KEYS,), (HOLD, KEYS)])
def test_what_is_left_out_leaves_the_rest_as_it_is(without: tuple[str, ...]) -> None:
    whole, less = milestones(3, 500), milestones(3, 500, without)
    assert less == [(number, blow) for number, blow in whole if blow.what not in without]
    assert len(less) < len(whole)
