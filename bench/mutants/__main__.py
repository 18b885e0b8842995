"""`python -m bench.mutants --seed 1`: faults in the code that counts money, and which no test notices.

All faults of the pure modules, and a sample of those that need the database. Prints the survivors as diffs
and the score of each module; the last line is one JSON object. What was found is kept in `.mutants/`: a run
that was stopped goes on, and after a change only what it touches runs again. Exit status 0 when 95 of 100 are
noticed in both groups and the reason for each survivor stands in bench/mutants/accepted.toml.
"""

import argparse
import hashlib
import json
import os
import random
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench.mutants import reach
from bench.mutants.mutants import Faults, Mutant
from bench.mutants.run import SURVIVED, UNREACHED, Result, Runner

ROOT = Path(__file__).resolve().parent.parent.parent
ACCEPTED = Path(__file__).with_name("accepted.toml")
PURE = [
    "kopeck/orders/pricing.py",
    "kopeck/refunds/allocation.py",
    "kopeck/money.py",
    "kopeck/payments/amounts.py",
    "kopeck/books/taxes.py",
]
WITH_DATABASE = [
    "kopeck/database/leases.py",
    *(f"kopeck/payments/{name}.py" for name in ("attempts", "turns", "sync", "checkout", "stock")),
    *(f"kopeck/refunds/{name}.py" for name in ("request", "review")),
    *(f"kopeck/abuse/{name}.py" for name in ("budgets", "declines")),
    "kopeck/webhooks/declines.py",
]
WANTED = 95.0


def main() -> int:
    parser = argparse.ArgumentParser("python -m bench.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="chooses the sample")
    parser.add_argument(
        "--sample", type=int, default=200, help="of the modules that need the database; 0: all"
    )
    parser.add_argument(
        "--module", action="append", choices=PURE + WITH_DATABASE, help="only this one, whole"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--fresh", action="store_true", help="forget what earlier runs found")
    parser.add_argument("--store", type=Path, default=ROOT / ".mutants")
    options = parser.parse_args()
    options.store.mkdir(exist_ok=True)
    os.environ["DEEP"] = "1"  # as many random examples as `make test-all` tries
    found = Found(options.store / "results.jsonl", fresh=options.fresh)
    try:
        reached = reach.record(ROOT, PURE + WITH_DATABASE, options.store / "reach.jsonl", options.jobs)
        chosen = choose(options.module, options.seed, options.sample)
        run([mutant for mutant in chosen if found.of(mutant) is None], reached, options.jobs, found)
    except reach.Unrecorded as problem:
        print(f"mutants: {problem}", file=sys.stderr)
        return 2
    return show({mutant.key: (mutant, outcome) for mutant in chosen if (outcome := found.of(mutant))})


def choose(modules: list[str] | None, seed: int, sample: int) -> list[Mutant]:
    """All mutants of `modules`; without any, those of the pure modules and a sample of the others."""
    whole = modules or PURE
    chosen = [mutant for module in whole for mutant in _all(Faults(ROOT, module))]
    if modules:
        return chosen
    faults = {module: Faults(ROOT, module) for module in WITH_DATABASE}
    places = [(module, number) for module, found in faults.items() for number in range(len(found))]
    random.Random(seed).shuffle(places)
    some = (faults[module].mutant(number) for module, number in places)
    kept = [mutant for mutant, _ in zip(filter(None, some), range(sample or len(places)), strict=False)]
    return chosen + sorted(kept, key=lambda mutant: (WITH_DATABASE.index(mutant.module), mutant.spot))


def _all(faults: Faults) -> list[Mutant]:
    return [mutant for number in range(len(faults)) if (mutant := faults.mutant(number))]


def run(mutants: list[Mutant], reached: list[reach.Reach], jobs: int, found: "Found") -> None:
    if not mutants:
        return
    print(f"{len(mutants)} mutants to run", flush=True)
    modules = {mutant.module for mutant in mutants}
    files = sorted({one.test.partition("::")[0] for one in reached if modules & one.lines.keys()})
    runner = Runner(ROOT, mutants, reached, jobs, found.add)
    options = ["-qq", "-n", "0", "-m", "not browser", "-p", "no:cacheprovider", "--capture=no"]
    code = pytest.main([*options, *files], plugins=[runner])
    for test in sorted(runner.distrusted):
        print(f"left out, red or green by chance: {test}")
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise reach.Unrecorded(f"pytest ended with {code}")


class Found:
    """The outcomes of this and earlier runs, by mutant and by what it was found with."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        self._tests = _hash(path for path in sorted((ROOT / "tests").rglob("*.py")))
        self._known: dict[str, str] = {}
        if fresh:
            path.unlink(missing_ok=True)
        if path.exists():
            for line in path.read_text().splitlines():
                said = json.loads(line)
                self._known[said["with"]] = said["outcome"]

    def of(self, mutant: Mutant) -> str | None:
        return self._known.get(self._name(mutant, killed=True)) or self._known.get(
            self._name(mutant, killed=False)
        )

    def add(self, result: Result) -> None:
        name = self._name(result.mutant, killed=result.killed)
        self._known[name] = result.outcome
        with self._path.open("a") as file:
            file.write(json.dumps({"with": name, "outcome": result.outcome}) + "\n")
        if not result.killed:
            print(f"{result.outcome} ({result.seconds:.0f} s)\n{result.mutant.diff}", flush=True)

    def _name(self, mutant: Mutant, *, killed: bool) -> str:
        """A kill counts for as long as its module stays as it is; a survivor until any test changes too."""
        module = _hash([ROOT / mutant.module])
        return f"{mutant.key} {module}" if killed else f"{mutant.key} {module} {self._tests}"


def _hash(paths: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def show(outcomes: dict[str, tuple[Mutant, str]]) -> int:
    """Survivors, scores, and the line for programs; the exit status."""
    accepted = tomllib.loads(ACCEPTED.read_text())
    scores: dict[str, list[bool]] = defaultdict(list)
    unexplained = 0
    for key, (mutant, outcome) in outcomes.items():
        killed = outcome not in (SURVIVED, UNREACHED)
        scores[mutant.module].append(killed)
        if not killed:
            unexplained += key not in accepted
            print(f"\n{outcome}: {mutant.diff}\n  {accepted.get(key, 'NO REASON IS GIVEN')}")
    print()
    groups = {}
    for group, modules in (("pure", PURE), ("with the database", WITH_DATABASE)):
        all_of_them = []
        for module in modules:
            if scores[module]:
                print(f"{module:<36} {sum(scores[module]):>4} of {len(scores[module]):>4} noticed")
                all_of_them += scores[module]
        if all_of_them:
            groups[group] = round(100 * sum(all_of_them) / len(all_of_them), 1)
            print(f"{group:<36} {sum(all_of_them):>4} of {len(all_of_them):>4}: {groups[group]} %")
    print(json.dumps({"score": groups, "mutants": len(outcomes), "unexplained": unexplained}))
    return 1 if unexplained or any(score < WANTED for score in groups.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
