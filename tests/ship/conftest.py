"""Servers behind Caddy, once a file; skipped where there is no Caddy, except under CI=true."""

import os
from collections.abc import Iterator

import pytest

from tests.ship.servers import Servers, find_caddy


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    caddy = find_caddy()
    if caddy is None:
        assert os.environ.get("CI") != "true", "there is no caddy: `make check-ship` brings one"
        pytest.skip("there is no caddy: `make check-ship` brings one")
    started = Servers(tmp_path_factory.mktemp("servers"))
    try:
        started.start(caddy)
        yield started
    finally:
        started.close()
