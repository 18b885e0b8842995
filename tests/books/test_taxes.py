"""Taxes of parts, and of what is refunded of them."""

import random
from collections import Counter

import pytest

from kopeck.books.taxes import split, split_next

pytestmark = pytest.mark.django_db(transaction=True)


def test_taxes_of_parts_add_up_by_rate() -> None:
    rng = random.Random(7)
    for _time in range(300):
        whole = {f"rate {n}": rng.randrange(1000) for n in range(rng.randint(1, 4))}
        total, done = sum(whole.values()), 0
        sums: Counter[str] = Counter()
        while done < total:
            part = rng.randint(1, total - done)
            by_rate = split_next(done, part, whole)
            assert sum(by_rate.values()) == part
            sums.update(by_rate)
            done += part
        assert {rate: sums[rate] for rate in whole} == whole
    assert split(0, {}) == {}


def test_taxes_that_come_to_nothing_are_nothing_of_each_rate() -> None:
    assert split(0, {"VAT 0 %": 0, "Sales tax 0 %": 0}) == {"VAT 0 %": 0, "Sales tax 0 %": 0}
    assert split_next(0, 0, {"VAT 0 %": 0}) == {"VAT 0 %": 0}
