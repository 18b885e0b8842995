"""What is installed from this folder is whole: every file, every dependency, and the README's first lines."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from sandbox_testing.server import CheckedSandbox

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "stripe_sandbox"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_file_beside_the_code_is_installed() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["stripe_sandbox"]
    installed = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    beside = {file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert {"checkout.html", "stripe.js", "parameters.json"} <= {file.name for file in beside}
    assert beside - installed == set()


def test_every_folder_of_code_is_installed() -> None:
    folders = {file.parent for file in PACKAGE.rglob("*.py")}
    assert len(folders) > 5
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def test_nothing_is_imported_that_is_not_installed_with_it() -> None:
    declared = {name_of(text) for text in PROJECT["project"]["dependencies"]}
    brought = declared | {name_of(text) for name in declared for text in metadata.requires(name) or []}
    known = metadata.packages_distributions()
    # Only pytest loads its plugin, so pytest is there.
    files = [file for file in PACKAGE.rglob("*.py") if file.name != "pytest_plugin.py"]
    theirs = {name for file in files for name in imported(file)}
    theirs -= {*sys.stdlib_module_names, "stripe_sandbox"}
    assert theirs >= {"flask", "babel"}
    assert {name for name in theirs if not {name_of(by) for by in known[name]} & brought} == set()


def name_of(requirement: str) -> str:
    """ "Flask>=3.1" -> "flask"."""
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower().replace("_", "-")


def imported(file: Path) -> set[str]:
    """The names at the beginning of what a file imports."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_example_of_the_readme_works(sandbox: CheckedSandbox) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert "http://127.0.0.1:8420" in example
    known: dict[str, object] = {}
    exec(example.replace("http://127.0.0.1:8420", sandbox.url), known)
    assert known["session"].url.startswith(f"{sandbox.url}/c/pay/")  # type: ignore[attr-defined]
