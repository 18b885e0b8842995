"""The tax of a refund, split among the rates of its order. Pure, in integer minor units."""

from collections.abc import Mapping


def split(amount: int, whole: Mapping[str, int]) -> dict[str, int]:
    """`amount` of the tax of an order, which by rate is `whole`: in its proportions, the rest to the last."""
    total = sum(whole.values())
    if not total:
        return dict.fromkeys(whole, 0)
    parts = {rate: amount * tax // total for rate, tax in whole.items()}
    parts[next(reversed(parts))] += amount - sum(parts.values())
    return parts


def split_next(before: int, amount: int, whole: Mapping[str, int]) -> dict[str, int]:
    """The same, when `before` was split already: parts that together are the whole add up to it by rate."""
    until, since = split(before + amount, whole), split(before, whole)
    return {rate: until[rate] - since[rate] for rate in whole}
