"""Servers behind Caddy, once a file; skipped where there is no Caddy, except under CI=true."""

import os
from collections.abc import Iterator

import pytest

from tests.ship.servers import Servers, find_caddy


@pytest.fixture(scope="session")
def caddy() -> str:
    found = find_caddy()
    if found is None:
        assert os.environ.get("CI") != "true", "there is no caddy: `make check-ship` brings one"
        pytest.skip("there is no caddy: `make check-ship` brings one")
    return found


@pytest.fixture(scope="module")
def servers(caddy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    started = Servers(tmp_path_factory.mktemp("servers"))
    try:
        started.start(caddy)
        yield started
    finally:
        started.close()
