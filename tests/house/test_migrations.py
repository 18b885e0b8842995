"""Migrations run while the old code still serves: each is held against what that code would not survive.

Only what came after the first tables is looked at. `docs/decisions.md` says how a change is cut in three.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest
from django.apps import apps
from django.conf import settings
from django.test import override_settings
from django_migration_linter import MigrationLinter

# In no transaction of the test: CONCURRENTLY refuses to be in one.
pytestmark = pytest.mark.django_db(transaction=True)

OURS = [path.parent.name for path in Path(settings.BASE_DIR, "kopeck").glob("*/migrations")]
#: Locks that stop the shop for as long as they last count like errors.
LOCKS = ["CREATE_INDEX", "CREATE_INDEX_EXCLUSIVE", "DROP_INDEX", "REINDEX"]


def lint(*app_labels: str) -> MigrationLinter:
    linter = MigrationLinter(
        include_apps=app_labels,
        ignore_initial_migrations=True,
        quiet=["ok", "ignore"],
        warnings_as_errors_tests=LOCKS,
        no_cache=True,
    )
    linter.lint_all_migrations()
    return linter


def test_no_migration_of_the_shop_breaks_the_code_that_still_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    linter = lint(*OURS)
    assert not linter.has_errors, capsys.readouterr().out
    assert linter.nb_total >= len(OURS)
    looked_at = linter.nb_valid + linter.nb_warnings
    assert looked_at == sum(_later_migrations(apps.get_app_config(label).path) for label in OURS)


def _later_migrations(app: str) -> int:
    found = [path.stem for path in Path(app, "migrations").glob("[0-9]*.py")]
    return len([n for n in found if not n.startswith("0001_")])


FIRST = """
    initial = True
    operations = [
        migrations.CreateModel("Thing", [
            ("id", models.BigAutoField(primary_key=True)),
            ("name", models.CharField(max_length=20)),
        ]),
    ]
"""


@pytest.fixture
def change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], MigrationLinter]]:
    """Makes an app with one table, and a second migration of these operations; lints it."""
    package = tmp_path / "kopeck_changing"

    def write(name: str, body: str) -> None:
        head = (
            "from django.contrib.postgres.operations import AddIndexConcurrently\n"
            "from django.db import migrations, models\n\n\n"
            "class Migration(migrations.Migration):\n"
        )
        (package / "migrations" / name).write_text(head + indent(dedent(body), "    "))

    def run(operations: str, more: str = "") -> MigrationLinter:
        before = 'dependencies = [("kopeck_changing", "0001_initial")]\n'
        write("0002_change.py", f"{before}{more}\noperations = [{operations}]\n")
        with override_settings(INSTALLED_APPS=["kopeck_changing"]):
            return lint("kopeck_changing")

    (package / "migrations").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "migrations" / "__init__.py").touch()
    write("0001_initial.py", FIRST)
    monkeypatch.syspath_prepend(tmp_path)
    yield run
    for name in [name for name in sys.modules if name.startswith("kopeck_changing")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "operations",
    [
        pytest.param('migrations.RemoveField("thing", "name")', id="a column is dropped"),
        pytest.param('migrations.RenameField("thing", "name", "title")', id="a column is renamed"),
        pytest.param('migrations.RenameModel("Thing", "Part")', id="a table is renamed"),
        pytest.param('migrations.DeleteModel("Thing")', id="a table is dropped"),
        pytest.param(
            'migrations.AddField("thing", "size", models.IntegerField(default=0))',
            id="a column that old code's rows do not fill",
        ),
        pytest.param(
            'migrations.AlterField("thing", "name", models.IntegerField())', id="a column's type changes"
        ),
        pytest.param(
            'migrations.AddIndex("thing", models.Index(fields=["name"], name="by_name"))',
            id="an index that locks the table",
        ),
        pytest.param(
            'migrations.AddConstraint("thing", models.UniqueConstraint(fields=["name"], name="one_name"))',
            id="a unique constraint on rows that are there",
        ),
    ],
)
def test_what_the_old_code_would_not_survive_is_refused(
    change: Callable[..., MigrationLinter], operations: str
) -> None:
    assert change(operations).has_errors


@pytest.mark.parametrize(
    ("operations", "more"),
    [
        ('migrations.AddField("thing", "size", models.IntegerField(null=True))', ""),
        ('migrations.AddField("thing", "size", models.IntegerField(db_default=0))', ""),
        (
            'AddIndexConcurrently("thing", models.Index(fields=["name"], name="by_name"))',
            "atomic = False",
        ),
        (
            'migrations.CreateModel("Part", [("id", models.BigAutoField(primary_key=True)),'
            ' ("name", models.CharField(max_length=9, unique=True))])',
            "",
        ),
    ],
)
def test_what_the_old_code_does_not_notice_is_let_through(
    change: Callable[..., MigrationLinter], operations: str, more: str
) -> None:
    linter = change(operations, more)
    assert not linter.has_errors
    assert linter.nb_valid == 1
