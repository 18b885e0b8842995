"""Servers behind Caddy, once a file."""

from collections.abc import Iterator

import pytest

from tests.support.lacking import lacks
from tests.system.ship.servers import CADDY, Servers, find_caddy


@pytest.fixture(scope="session")
def caddy() -> str:
    return find_caddy() or lacks(CADDY)


@pytest.fixture(scope="module")
def servers(caddy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    started = Servers(tmp_path_factory.mktemp("servers"))
    try:
        started.start(caddy)
        yield started
    finally:
        started.close()
