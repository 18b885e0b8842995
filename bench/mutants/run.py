"""Runs mutants: each in a process of its own, against the tests that reach it, until one of them is red.

Django, the shop and the tests are imported once, as a run of pytest that collects and then forks instead of
testing. Each process has a database, a sandbox and a time limit of its own.
"""

import importlib
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench.mutants import swap
from bench.mutants.mutants import Mutant
from bench.mutants.reach import Reach

BROKEN = "broken"  # these programs themselves: no outcome of a mutant's
SURVIVED, UNREACHED, TIMEOUT, CRASH = "survived", "unreached", "timeout", "crash"
#: What a mutant's tests may take together, in seconds of processor time as recorded.
ENOUGH = 150.0


@dataclass(frozen=True)
class Result:
    """`outcome` is the test that was red, or one of the words above."""

    mutant: Mutant
    outcome: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.outcome not in (SURVIVED, UNREACHED)


@dataclass
class _Process:
    mutant: Mutant | None
    pid: int
    pipe: int
    slot: int
    started: float
    deadline: float
    said: bytes = b""


@dataclass
class Runner:
    """A plugin of pytest. `tell` gets each result as it comes."""

    root: Path
    mutants: Sequence[Mutant]
    reach: Sequence[Reach]
    jobs: int
    tell: Callable[[Result], None]
    distrusted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._trusted: set[str] = set()
        self._kills: dict[str, Counter[str]] = defaultdict(Counter)
        self._seconds = {reach.test: reach.seconds for reach in self.reach}

    def pytest_configure(self) -> None:
        swap.pytest_configure()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._items = {item.nodeid: item for item in session.items}
        for module in {mutant.module for mutant in self.mutants}:  # Django imports some at the first request
            importlib.import_module(module.removesuffix(".py").replace("/", "."))
        self._functions = swap.Functions({str(self.root / mutant.module) for mutant in self.mutants})
        waiting, running = deque(self.mutants), {}
        free = list(range(self.jobs, 0, -1))
        try:
            while waiting or running:
                while waiting and free:
                    mutant = waiting.popleft()
                    tests = self._tests(mutant)
                    if not tests:
                        self.tell(Result(mutant, UNREACHED, 0))
                        continue
                    process = self._start(mutant, tests, free.pop())
                    running[process.pipe] = process
                for process in self._ended(running):
                    free.append(process.slot)
                    result = self._result(process)
                    if result is None:
                        waiting.append(process.mutant)  # type: ignore[arg-type]
                    else:
                        self.tell(result)
        finally:
            for process in running.values():
                _kill(process)
            self._drop_databases(session)
        return True

    def _tests(self, mutant: Mutant) -> list[str]:
        """The quickest first; of one function's many cases the next counts for slower than the one before.

        So tests of many kinds get their turn. Those that have killed its neighbours count for quicker.
        """
        spot, kills = set(mutant.spot), self._kills[mutant.module]
        near = [one for one in self.reach if mutant.module in one.lines and self._may_run(one.test)]
        if mutant.function:
            # A function that no test runs may be run at import, for all of them.
            near = [one for one in near if spot & one.lines[mutant.module]] or near
        cases = defaultdict[str, list[tuple[float, str]]](list)
        for one in near:
            cost = (one.seconds + 0.05) / (kills[one.test] + 1) ** 2
            cases[one.test.partition("[")[0]].append((cost, one.test))
        ranked = [
            (cost * n, test) for some in cases.values() for n, (cost, test) in enumerate(sorted(some), 1)
        ]
        found = [test for _cost, test in sorted(ranked)]
        chosen, spent = [], 0.0
        for test in found:
            spent += self._seconds[test] + 0.05
            if spent > ENOUGH and chosen:
                break
            chosen.append(test)
        return chosen

    def _may_run(self, test: str) -> bool:
        return test in self._items and test not in self.distrusted

    def _start(self, mutant: Mutant | None, tests: list[str], slot: int) -> _Process:
        reading, writing = os.pipe()
        now = time.monotonic()
        expected = sum(self._seconds[test] + 0.05 for test in tests)
        # Processor time ends an endless loop, on a busy machine too; the clock only what waits for ever.
        deadline = now + 120 + 20 * expected
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                limit = int(20 + 5 * expected)
                resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
                self._child(mutant, tests, slot, writing)
            except swap.NotImportable:
                os.write(writing, CRASH.encode())
            except BaseException:
                os.write(writing, f"{BROKEN} {traceback.format_exc()[-3000:]}".encode())
            finally:
                os._exit(1)
        os.close(writing)
        return _Process(mutant, pid, reading, slot, now, deadline)

    def _child(self, mutant: Mutant | None, tests: list[str], slot: int, pipe: int) -> None:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.environ["TOX_PARALLEL_ENV"] = f"mutant{slot}"  # pytest-django's name for a database of its own
        if mutant and not self._become(mutant):
            os.write(pipe, self._in_a_new_process(mutant, tests).encode())
            return
        items = [self._items[test] for test in tests]
        config = items[0].config
        config.pluginmanager.register(_Watch(pipe))
        for item, following in zip(items, [*items[1:], None], strict=True):
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        os.write(pipe, SURVIVED.encode())

    def _become(self, mutant: Mutant) -> bool:
        """Put the mutant in its place in this process; False where that can't be done."""
        path, spot = str(self.root / mutant.module), set(mutant.spot)
        if mutant.function and not self._functions.become(path, mutant.function, mutant.source):
            raise AssertionError(f"no function {mutant.function} in {mutant.module}")
        if mutant.function and any(spot & one.lines.get(mutant.module, frozenset()) for one in self.reach):
            return True
        return swap.rebind(path, mutant.source)

    def _in_a_new_process(self, mutant: Mutant, tests: list[str]) -> str:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "mutant.py"
            source.write_text(mutant.source)
            env = os.environ | {swap.SOURCE: str(source), swap.INSTEAD_OF: str(self.root / mutant.module)}
            options = ["-x", "-q", "-n", "0", "-rfE", "-p", "no:cacheprovider", "-p", "bench.mutants.swap"]
            command = [sys.executable, "-m", "pytest", *options, *tests]
            done = subprocess.run(
                command, cwd=self.root, env=env, check=False, capture_output=True, text=True
            )
        said = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        red = [line.partition(" ")[2].partition(" - ")[0] for line in said]
        return SURVIVED if done.returncode == 0 else (red or [CRASH])[0]

    def _ended(self, running: dict[int, _Process]) -> list[_Process]:
        """Those that have said all or have had their time; waits a moment for them."""
        ended = []
        for pipe in select.select(list(running), [], [], 0.5)[0]:
            part = os.read(pipe, 4096)
            running[pipe].said += part
            if not part:
                ended.append(running.pop(pipe))
        late = [process for process in running.values() if process.deadline < time.monotonic()]
        for process in late:
            process.said = TIMEOUT.encode()
            ended.append(running.pop(process.pipe))
        for process in ended:
            _kill(process)
        return ended

    def _result(self, process: _Process) -> Result | None:
        """None: a test was red that is red without the mutant too, so it is asked no more."""
        outcome, mutant = process.said.decode() or CRASH, process.mutant
        assert mutant is not None
        if outcome.startswith(BROKEN):
            raise RuntimeError(f"{mutant.diff}\n{outcome}")
        if outcome in self._items:
            if not self._trust(outcome, process.slot):
                return None
            self._kills[mutant.module][outcome] += 1
        return Result(mutant, outcome, time.monotonic() - process.started)

    def _trust(self, test: str, slot: int) -> bool:
        """Whether a test that was red for a mutant is green without one."""
        if test not in self._trusted and test not in self.distrusted:
            process = self._start(None, [test], slot)
            while not (ended := self._ended({process.pipe: process})):
                pass
            (self._trusted if ended[0].said.decode() == SURVIVED else self.distrusted).add(test)
        return test in self._trusted

    def _drop_databases(self, session: pytest.Session) -> None:
        # Not before pytest has read its settings.
        from django.db import connection
        from pytest_django.plugin import blocking_manager_key

        from tests.support.database import quoted

        blocker = session.config.stash[blocking_manager_key]
        with blocker.unblock(), connection._nodb_cursor() as cursor:
            for slot in range(1, self.jobs + 1):
                name = f"test_{connection.settings_dict['NAME']}_mutant{slot}"
                cursor.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")


class _Watch:
    """In the mutant's process: says which test was red, and ends at once."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            os.write(self._pipe, report.nodeid.encode())
            os._exit(0)


def _kill(process: _Process) -> None:
    """With all that it has started."""
    os.close(process.pipe)
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError, PermissionError):
            kill(process.pid, signal.SIGKILL)
    os.waitpid(process.pid, 0)
