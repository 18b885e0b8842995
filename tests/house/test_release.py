"""A version stands in several files, and is the same in all of them."""

import re

import pytest

from kopeck import __version__
from tests.support.starting import BASE_DIR

PLACES = {
    "Dockerfile": r"^ARG VERSION=(\S+)",
    "deploy/kubernetes/kustomization.yaml": r'newTag: "([^"]+)"',
    "CHANGELOG.md": r"^## (\d+\.\d+\.\d+)",
    "docs/upgrading.md": r"^## (\d+\.\d+\.\d+)",
}


@pytest.mark.parametrize("name", PLACES)
def test_the_newest_version_is_everywhere_the_same(name: str) -> None:
    found = re.search(PLACES[name], (BASE_DIR / name).read_text(), re.MULTILINE)
    assert found
    assert found[1] == __version__


def test_the_sandbox_says_its_own_version_once_more_in_its_changes() -> None:
    folder = BASE_DIR / "sandbox"
    said = re.search(r'^version = "([^"]+)"', (folder / "pyproject.toml").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (folder / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert said
    assert newest
    assert said[1] == newest[1]
