"""The image has a copy of the sandbox's folder: what that needs, only the shop's own lock brings."""

import re
import tomllib

from packaging.requirements import Requirement

from tests.support.starting import BASE_DIR


def test_the_lock_of_the_image_has_what_the_sandbox_needs() -> None:
    locked = dict(
        re.findall(r"^([\w.-]+)==([\w.]+)", (BASE_DIR / "requirements-image.txt").read_text(), re.M)
    )
    project = tomllib.loads((BASE_DIR / "sandbox" / "pyproject.toml").read_text())["project"]
    needed = [Requirement(text) for text in project["dependencies"]]
    assert "flask" in {one.name for one in needed}
    assert [one.name for one in needed if not one.specifier.contains(locked.get(one.name, "0"))] == []
