"""Which tests reach which lines: each test is run once under coverage, in a context of its own.

As a plugin of pytest (`-p bench.mutants.reach`) this appends a line a test to the file that KOPECK_REACH
names, so a run that was stopped goes on where it was. Only what runs in the test's own process counts.
"""

import difflib
import functools
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage
import pytest

FILE = "KOPECK_REACH"
MODULES = "KOPECK_REACH_MODULES"
#: Files whose tests have servers and browsers of their own, or are many: they reach the modules in other
#: processes, or reach what others reach in less time.
LEFT_OUT = (
    *("/browser/", "/bench/", "/configuration/", "/kopeck_local/", "/support/"),
    *("test_nasty_input", "test_charsets", "test_api_conformance"),
    *("test_reconcile_walk", "test_login", "test_doctor", "test_picture", "test_hostile_pictures"),
)


class Unrecorded(RuntimeError):
    """pytest itself failed; a test that is red is only left out."""


@dataclass(frozen=True)
class Reach:
    """A test that passes, with its seconds of processor time and the lines that it runs, by module."""

    test: str
    seconds: float
    lines: dict[str, frozenset[int]]


def files(root: Path) -> list[str]:
    """The test files that are looked at: those of the rooms, and none of `tests/system/`."""
    found = sorted((root / "tests").glob("*/test_*.py"))
    names = [path.relative_to(root).as_posix() for path in found]
    return [name for name in names if not any(part in name for part in LEFT_OUT)]


def record(root: Path, modules: list[str], store: Path, jobs: int) -> list[Reach]:
    """What every test reaches. Only test files that are new or changed since the last time are run.

    Where a module has changed, its lines are found again by what stands in them, and a new line counts for
    those tests that reach the one before it.
    """
    stamps = {name: _hash((root / name).read_bytes()) for name in files(root)}
    finished = {line["file"]: line for line in _lines_of(store) if "file" in line}
    known = {name: line["stamp"] for name, line in finished.items() if line["sources"].keys() >= set(modules)}
    missing = [name for name, stamp in stamps.items() if known.get(name) != stamp]
    for start in range(0, len(missing), 8):  # a few at a time, so that little is lost when it is stopped
        some = missing[start : start + 8]
        print(f"recording what tests reach: {start} of {len(missing)} files done", flush=True)
        _run(root, modules, store, some, jobs)
        sources = {module: _keep(root / module, store) for module in modules}
        with store.open("a") as file:
            for name in some:
                finished[name] = {"file": name, "stamp": stamps[name], "sources": sources}
                file.write(json.dumps(finished[name]) + "\n")
    return _read(root, store, {name: finished[name]["sources"] for name in stamps})


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _keep(path: Path, store: Path) -> str:
    """Keeps a module as it is recorded; under which name."""
    content = path.read_bytes()
    copy = store.with_name("sources") / _hash(content)
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(content)
    return copy.name


def _run(root: Path, modules: list[str], store: Path, names: list[str], jobs: int) -> None:
    env = os.environ | {FILE: str(store), MODULES: json.dumps(modules)}
    options = ["-q", "-n", str(jobs if jobs > 1 else 0), "-m", "not browser", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-p", "bench.mutants.reach", *options, *names]
    done = subprocess.run(command, cwd=root, env=env, check=False, capture_output=True, text=True)
    if done.returncode > 1:
        raise Unrecorded(f"the tests could not be run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


def _lines_of(store: Path) -> Iterator[dict[str, Any]]:
    if store.exists():
        for line in store.read_text().splitlines():
            yield json.loads(line)


def _read(root: Path, store: Path, sources: dict[str, dict[str, str]]) -> list[Reach]:
    @functools.cache
    def moved(module: str, source: str) -> dict[int, list[int]]:
        old = (store.with_name("sources") / source).read_text().splitlines()
        return _moved(old, (root / module).read_text().splitlines())

    found: dict[str, Reach] = {}
    for line in _lines_of(store):
        if "test" not in line or line["test"].partition("::")[0] not in sources:
            continue
        before = sources[line["test"].partition("::")[0]]
        found.pop(line["test"], None)
        if line["passed"]:
            lines = {
                module: frozenset(
                    new for old in numbers for new in moved(module, before[module]).get(old, [])
                )
                for module, numbers in line["lines"].items()
                if module in before
            }
            found[line["test"]] = Reach(line["test"], line["seconds"], lines)
    return list(found.values())


def _moved(old: list[str], new: list[str]) -> dict[int, list[int]]:
    """Where the lines of a module are now; those that were put in are where the line before them is."""
    places: dict[int, list[int]] = defaultdict(list)
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            for n in range(i2 - i1):
                places[i1 + n + 1].append(j1 + n + 1)
        else:
            for n in range(i1 + 1, i2 + 1) or [i1]:
                places[n].extend(range(j1 + 1, j2 + 1))
    return places


class Recorder:
    """The plugin's state, in each process that runs tests."""

    def __init__(self, store: Path, modules: list[str], root: Path) -> None:
        self.store, self.root = store, root
        self.modules = {str(root / module): module for module in modules}
        self.coverage = coverage.Coverage(data_file=None, include=list(self.modules), config_file=False)
        self.coverage.set_option("run:disable_warnings", ["no-data-collected", "module-not-imported"])
        self.failed: set[str] = set()
        self.seconds: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.erase()
        self.coverage.start()
        try:
            return (yield)
        finally:
            self.coverage.stop()
            data = self.coverage.get_data()
            lines = {module: sorted(data.lines(path) or []) for path, module in self.modules.items()}
            said = {
                "test": item.nodeid,
                "seconds": round(self.seconds[item.nodeid], 3),
                "passed": item.nodeid not in self.failed,
                "lines": {module: numbers for module, numbers in lines.items() if numbers},
            }
            with self.store.open("a") as file:
                file.write(json.dumps(said) + "\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """What is made once a run counts for no test. Processor time, for the machine may be busy."""
        start = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - start

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self.failed.add(report.nodeid)


def pytest_configure(config: pytest.Config) -> None:
    if FILE in os.environ and (hasattr(config, "workerinput") or not config.getoption("numprocesses", None)):
        store, modules = Path(os.environ[FILE]), json.loads(os.environ[MODULES])
        config.pluginmanager.register(Recorder(store, modules, config.rootpath))
