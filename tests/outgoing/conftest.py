"""A program on this machine that is told, and its endpoint."""

from collections.abc import Iterator
from typing import Any

import pytest

from kopeck.outgoing.models import Endpoint
from tests.outgoing.receiver import Receiver, make_endpoint
from tests.support.worker import forget_jobs


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_TO_PRIVATE_NETWORKS = True
    forget_jobs()
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def endpoint(receiver: Receiver) -> Endpoint:
    return make_endpoint(receiver.url)
