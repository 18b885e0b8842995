"""A sandbox that delivers to a receiver, for each test anew."""

from collections.abc import Iterator

import pytest

from sandbox_testing.own import SECRET, Own, Receiver, own_sandbox


@pytest.fixture
def own(receiver: Receiver) -> Iterator[Own]:
    with own_sandbox(webhooks=(f"{receiver.url}={SECRET}",)) as own:
        yield own
