"""What strangers' libraries make of the sandbox: their releases from the registries, each step by step.

    python sandbox/conformance/run.py [--quick] [--cache FOLDER]

Each release of PyPI's `stripe` (5 to the newest) and npm's (8 to the newest) lies in a folder of its own in
the cache. The steps of `steps.json` are done twice: in the release's own API version, and in the newest one,
where each answer is held against Stripe's OpenAPI file by the tests' own checker. dj-stripe syncs all that is
there, and the tests of Stripe.js drive Chromium. The table goes to `CONFORMANCE.md`. `--quick` takes the
oldest and the newest release of each library, and no browser. Where no registry answers, a sentence says so;
with CI=true that fails.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SANDBOX = HERE.parent
sys.path[:0] = [str(SANDBOX), str(SANDBOX / "tests")]

from sandbox_testing.server import CheckedSandbox, start_checked_sandbox  # noqa: E402
from stripe_sandbox.core.ids import letters  # noqa: E402
from stripe_sandbox.versions.translate import NEWEST  # noqa: E402

PYTHONS = tuple(range(5, 17))
NODES = (8, 10, 12, 14, 16, 17, 18, 20, 22, 23)
TABLE = SANDBOX / "CONFORMANCE.md"
PATIENCE = 300


class NoRegistry(Exception):
    """Nothing could be fetched; the message says what."""


@dataclass
class Column:
    """One release. `wrong` by endpoint: "" where it went well, "absent" where the library lacks it."""

    name: str
    own: dict[str, str] = field(default_factory=dict)
    newest: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def mark(self, endpoint: str, notes: list[str]) -> str:
        wrong = self.own.get(endpoint, "no answer") or self.newest.get(endpoint, "no answer")
        if wrong == "absent":
            return "-"
        if not wrong:
            return "ok"
        note = f"{self.name}, {endpoint}: {' '.join(wrong.split())[:300]}"
        notes.append(note)
        return f"no [{len(notes)}]"


def ran(
    command: Sequence[str], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def pip(cache: Path, name: str, wanted: Sequence[str]) -> Path:
    """The folder of what PyPI has for `wanted`, fetched once."""
    folder = cache / "pypi" / name
    if not folder.exists():
        fetched = Path(tempfile.mkdtemp(dir=_made(cache / "pypi")))
        options = ("--quiet", "--disable-pip-version-check", "--no-input", "--target", str(fetched))
        done = ran((sys.executable, "-m", "pip", "install", *options, *wanted))
        if done.returncode:
            shutil.rmtree(fetched)
            named = " ".join(one for one in wanted if not one.startswith("-"))
            raise NoRegistry(f"PyPI has not given {named}")
        fetched.rename(folder)
    return folder


def npm(cache: Path, major: int) -> Path:
    """The folder of npm's newest `stripe` of that major version, fetched once; no lock file is written."""
    folder = cache / "npm" / f"stripe-{major}"
    if not (folder / "node_modules").exists():
        if shutil.which("npm") is None:
            raise NoRegistry("this machine lacks npm")
        _made(folder)
        options = ("--no-save", "--no-package-lock", "--ignore-scripts", "--silent", "--prefix", str(folder))
        if ran(("npm", "install", *options, f"stripe@{major}")).returncode:
            shutil.rmtree(folder)
            raise NoRegistry(f"npm has not given stripe {major}")
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def version_in(folder: Path, name: str) -> str:
    """The version of a package that lies in a folder."""
    package = folder / "node_modules" / name / "package.json"
    if package.exists():
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])
    found = next(iter(folder.glob(f"{name.replace('-', '_')}-*.dist-info")))
    return found.name.removesuffix(".dist-info").rpartition("-")[2]


def _steps(said: str) -> dict[str, str]:
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    return {line["endpoint"]: line["wrong"] for line in lines}


def through(sandbox: CheckedSandbox, column: Column, command: Sequence[str], env: dict[str, str]) -> Column:
    """Both passes of one release."""
    for version in ("", NEWEST):
        before = len(sandbox.violations)
        key = f"sk_test_{letters(24)}"
        done = ran([*command, sandbox.url, key, *([version] if version else [])], env)
        found = _steps(done.stdout)
        if version:
            column.newest, column.violations = found, sandbox.violations[before:]
        else:
            column.own = found
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["it ended without a word"]
            found.setdefault("it ran to its end", lines[-1])
    return column


def libraries(sandbox: CheckedSandbox, cache: Path, quick: bool) -> Iterator[Column]:
    for major in PYTHONS[:: len(PYTHONS) - 1] if quick else PYTHONS:
        folder = pip(cache, f"stripe-{major}", ("--no-deps", f"stripe>={major},<{major + 1}"))
        column = Column(f"Python {version_in(folder, 'stripe')}")
        command = (sys.executable, "-W", "ignore", str(HERE / "sdk.py"))
        yield through(sandbox, column, command, {"PYTHONPATH": str(folder)})
    for major in NODES[:: len(NODES) - 1] if quick else NODES:
        folder = npm(cache, major)
        column = Column(f"Node {version_in(folder, 'stripe')}")
        yield through(sandbox, column, ("node", str(HERE / "sdk.cjs"), str(folder)), {})


def dj_stripe(sandbox: CheckedSandbox, cache: Path) -> tuple[str, list[dict[str, str]]]:
    """Its version, and for each model how many there are, how many it kept, and its complaint."""
    folder = pip(cache, "dj-stripe", ("dj-stripe",))
    with tempfile.TemporaryDirectory() as place:
        command = (sys.executable, "-W", "ignore", str(HERE / "djstripe_sync.py"), sandbox.url)
        done = ran([*command, f"sk_test_{letters(24)}", f"{place}/db.sqlite3"], {"PYTHONPATH": str(folder)})
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not rows:
        raise SystemExit(f"dj-stripe did not run to its end:\n{done.stderr}")
    return version_in(folder, "dj-stripe"), rows


def browser() -> list[tuple[str, str]]:
    """The tests of Stripe.js, file by file: what each is about, and how many passed."""
    rows = []
    for file in sorted((SANDBOX / "tests" / "js").glob("test_*.py")):
        if file.name == "test_chromium.py":
            continue
        done = ran((sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", str(file)))
        counts = {
            word: len(re.findall(rf"^{word} ", done.stdout, re.MULTILINE))
            for word in ("PASSED", "FAILED", "ERROR")
        }
        about = file.read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0].split("\n")[0]
        bad = counts["FAILED"] + counts["ERROR"]
        rows.append((about, f"{counts['PASSED']} passed{f', {bad} failed' if bad else ''}"))
    return rows


def written(
    columns: list[Column], consumer: tuple[str, list[dict[str, str]]], pages: list[tuple[str, str]]
) -> tuple[str, bool]:
    """The page, and whether all is well."""
    notes: list[str] = []
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [
        "# Conformance",
        "",
        f"Written by `make conformance` on {today}, against API version {NEWEST}. Each library is",
        "unchanged; only its base address was set. `ok`: the step went as it should in the library's own API",
        "version and in the newest one. `-`: that release does not have the call. The last row counts what",
        "Stripe's OpenAPI file does not allow in answers of the newest version.",
        "",
    ]
    for language in ("Python", "Node"):
        some = [column for column in columns if column.name.startswith(language)]
        lines += [f"## {language}", "", *_of_libraries(some, notes), ""]
    version, rows = consumer
    lines += [f"## dj-stripe {version}", "", *_of_dj_stripe(rows)]
    if pages:
        lines += ["", "## The browser, through Stripe.js", "", "| what | tests |", "|---|---|"]
        lines += [f"| {about} | {told} |" for about, told in pages]
    found = [f"{one.name}: {sentence}" for one in columns for sentence in one.violations]
    if notes or found:
        lines += ["", "## What went wrong", ""]
        lines += [f"{number}. {note}" for number, note in enumerate(notes, 1)]
        lines += [f"- {sentence}" for sentence in found]
    kept = all(int(row["kept"]) >= int(row["listed"]) for row in rows)
    fine = not notes and not found and kept and not any("failed" in told for _, told in pages)
    return "\n".join(lines) + "\n", fine


def _of_libraries(columns: list[Column], notes: list[str]) -> list[str]:
    """The table of one language's libraries; `notes` grows by what went wrong."""
    steps = json.loads((HERE / "steps.json").read_text(encoding="utf-8"))
    lines = ["| endpoint | " + " | ".join(column.name.split()[1] for column in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    for step in steps:
        marks = [one.mark(step["endpoint"], notes) for one in columns]
        lines.append(f"| `{step['endpoint']}` | " + " | ".join(marks) + " |")
    lines.append("| against the spec | " + " | ".join(str(len(one.violations)) for one in columns) + " |")
    return lines


def _of_dj_stripe(rows: list[dict[str, str]]) -> list[str]:
    lines = ["Set: `STRIPE_API_HOST`, and a key. Run: `djstripe_sync_models`.", ""]
    lines += ["| model | there are | synced | what it said |", "|---|---|---|---|"]
    short = [(row, " ".join(str(row["complaint"]).split())[:160].replace("|", "/")) for row in rows]
    return lines + [f"| {row['model']} | {row['listed']} | {row['kept']} | {said} |" for row, said in short]


@contextmanager
def serving() -> Iterator[CheckedSandbox]:
    sandbox = start_checked_sandbox()
    try:
        yield sandbox
    finally:
        sandbox.stop()


def main() -> int:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument(
        "--quick", action="store_true", help="the oldest and the newest release, no browser, no table"
    )
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stripe-sandbox-conformance"
    options.add_argument("--cache", type=Path, default=default, help="where the releases lie")
    given = options.parse_args()
    try:
        with serving() as sandbox:
            columns = list(libraries(sandbox, given.cache, given.quick))
            consumer = dj_stripe(sandbox, given.cache)
    except NoRegistry as missing:
        print(
            f"make conformance: {missing}, so nothing was tried. Is there internet, and Node?",
            file=sys.stderr,
        )
        return 1 if os.environ.get("CI") == "true" else 0
    page, fine = written(columns, consumer, [] if given.quick else browser())
    if given.quick:
        print(page)
    else:
        TABLE.write_text(page, encoding="utf-8")
        print(f"{TABLE} is written.")
    if not fine:
        print("make conformance: not all went well; the table says what did not.", file=sys.stderr)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
