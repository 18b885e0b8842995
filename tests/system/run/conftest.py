"""Each test here starts servers: those of one file one after the other, in one worker (their xdist group)."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that others may pass through, unlike pytest's own: PostgreSQL never runs as root."""
    path = Path(tempfile.mkdtemp(prefix="kopeck-Run-"))  # a capital, for it once broke the database's address
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)
