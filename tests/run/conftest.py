"""Each test here starts servers: one after the other, in one worker."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("run"))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder whose parents anybody may pass through, unlike pytest's: as root PostgreSQL is not root."""
    path = Path(tempfile.mkdtemp(prefix="kopeck-Run-"))  # a capital, for it once broke the database's address
    yield path
    shutil.rmtree(path)
