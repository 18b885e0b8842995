"""`make mutants` itself: which faults it makes, and that a fault really takes the place of the code."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from bench.mutants import reach, swap
from bench.mutants.mutants import Faults, Mutant

SOURCE = '''"""A module."""
import logging
log = logging.getLogger("x")
LIMIT = 5


class Till:
    """Of money."""

    @property
    def sum(self) -> "int | None":
        """A text that counts for nothing."""
        log.info("not this %s", 1)
        return self.one + 2


def rows(query, a, b):
    query.lock()
    if a:
        return list(zip(a, b, strict=True))
    return query.order_by("id")
'''


def made(folder: Path, source: str = SOURCE) -> list[Mutant]:
    (folder / "till.py").write_text(source)
    faults = Faults(folder, "till.py")
    return [mutant for number in range(len(faults)) if (mutant := faults.mutant(number))]


def test_each_fault_is_one_change_of_what_counts(tmp_path: Path) -> None:
    changes = {(mutant.function, mutant.was, mutant.now) for mutant in made(tmp_path)}
    assert ("Till.sum", "return self.one + 2", "return self.one - 2") in changes
    assert ("Till.sum", "return self.one + 2", "return self.one + 3") in changes
    assert ("rows", "query.lock()", "pass") in changes
    assert ("rows", "if a:", "if not (a):") in changes
    assert ("rows", 'return query.order_by("id")', "return query") in changes
    assert ("", "LIMIT = 5", "LIMIT = 6") in changes


def test_texts_logs_annotations_and_strict_are_left_alone(tmp_path: Path) -> None:
    for mutant in made(tmp_path):
        assert "zip(" not in mutant.now or "strict=True" in mutant.now
        for part in ("counts for nothing", "log.info", "int | None"):
            assert part not in mutant.was


def test_a_mutant_keeps_its_key_when_other_lines_come_before_it(tmp_path: Path) -> None:
    before = {mutant.key for mutant in made(tmp_path)}
    after = {mutant.key for mutant in made(tmp_path, SOURCE.replace("LIMIT = 5", "MORE = None\n\nLIMIT = 5"))}
    assert len(before) == len(made(tmp_path))
    assert before < after


def test_a_function_that_everybody_has_imported_becomes_the_mutant(tmp_path: Path) -> None:
    (mutant,) = [one for one in made(tmp_path) if one.now == "return self.one - 2"]
    namespace: dict[str, object] = {"__name__": "till"}
    path = str(tmp_path / "till.py")
    exec(compile(SOURCE, path, "exec"), namespace)
    till = namespace["Till"]()  # type: ignore[operator]
    till.one = 7
    assert till.sum == 9
    functions = swap.Functions({path})
    assert functions.become(path, mutant.function, mutant.source)
    assert till.sum == 5
    assert not functions.become(path, "Till.other", mutant.source)


def test_a_fault_at_import_is_read_in_place_of_the_file(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "till.py").write_text(SOURCE)
    (tmp_path / "mutant.py").write_text(SOURCE.replace("LIMIT = 5", "LIMIT = 6"))
    env = {
        swap.SOURCE: str(tmp_path / "mutant.py"),
        swap.INSTEAD_OF: str(package / "till.py"),
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}",
    }
    code = "import bench.mutants.swap; from shop.till import LIMIT; print(LIMIT)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "6\n"
    assert (package / "till.py").read_text() == SOURCE


def test_a_constant_is_replaced_for_all_who_have_imported_it_and_a_class_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = SOURCE + "\n\ndef double(): return 2 * LIMIT\n\n\nTEN = double()\n"
    (tmp_path / "till_here.py").write_text(till)
    (tmp_path / "till_there.py").write_text("from till_here import LIMIT, Till\nFIVE = 5\n")
    monkeypatch.syspath_prepend(tmp_path)
    here, there = importlib.import_module("till_here"), importlib.import_module("till_there")
    kind, path = here.Till, str(tmp_path / "till_here.py")
    assert swap.rebind(path, till.replace("LIMIT = 5", "LIMIT = 6"))
    assert (here.LIMIT, there.LIMIT, here.TEN, there.FIVE) == (6, 6, 12, 5)
    assert here.Till is there.Till is kind
    assert not swap.rebind(path, till.replace("self.one + 2", "self.one + 3"))
    for name in ("till_here", "till_there"):
        monkeypatch.delitem(sys.modules, name)


def test_lines_are_found_again_in_a_module_that_has_changed() -> None:
    old = ["import a", "def f():", "    x = 1", "    return x", "g()"]
    new = ["import a", "import b", "def f():", "    x = 2", "    x += 1", "    return x"]
    assert reach._moved(old, new) == {1: [1, 2], 2: [3], 3: [4, 5], 4: [6], 5: []}
