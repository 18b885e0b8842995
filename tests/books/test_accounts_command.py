"""`manage.py accounts`, and the page that says what its columns are."""

import io
import re
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from kopeck.books import statement
from kopeck.books.sheet import COLUMNS
from kopeck.money import CURRENCIES
from tests.support.buying import paid_order
from tests.support.shop import ShopSandbox
from tests.support.starting import BASE_DIR

pytestmark = pytest.mark.django_db(transaction=True)

TODAY = date.today()  # noqa: DTZ011 - a day before and after it are asked for, too
SINCE, UNTIL = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


def command(*words: str) -> str:
    out = io.StringIO()
    call_command("accounts", *words, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_the_command_writes_the_output_or_a_file(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, tmp_path: Any
) -> None:
    paid_order(sandbox, buyer, deliver)
    said = command(f"{SINCE}", f"{UNTIL}")
    assert said.splitlines()[0].split(",") == list(COLUMNS)
    assert len(said.splitlines()) == 4
    command(f"{SINCE}", f"{UNTIL}", "--out", f"{tmp_path}/a.csv")
    assert (tmp_path / "a.csv").read_text("utf-8-sig").splitlines() == said.splitlines()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["2026-11-31", "2026-11-30"], "A day is written as 2026-11-01, not '2026-11-31'."),
        (["yesterday", "2026-11-30"], "A day is written as"),
        (["2026-12-01", "2026-11-30"], "The first day, 2026-12-01, is after the last day, 2026-11-30."),
        (["0001-01-01", "2026-11-30"], "A statement begins in 2010 at the earliest"),
        (["2026-11-01", "9999-12-31"], "A statement begins in 2010 at the earliest"),
        (["2026-11-01", "2026-11-30", "--account", "gbp"], "There is no account gbp: default."),
        (["2026-11-01", "2026-11-30", "--out", "/nowhere/a.csv"], "/nowhere/a.csv can't be written: No such"),
    ],
)
def test_the_command_refuses_what_is_wrong_in_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(CommandError) as refusal:
        command(*words)
    assert str(refusal.value).startswith(sentence)


def test_the_command_says_where_stripe_is_away(sandbox: ShopSandbox) -> None:
    sandbox.control("PUT", "faults", {"error_rate": 1})
    with pytest.raises(CommandError, match="Stripe could not be asked about everything") as refusal:
        command(f"{SINCE}", f"{UNTIL}")
    assert refusal.value.returncode == 2


def test_the_command_says_which_currency_it_does_not_know(
    sandbox: ShopSandbox, buyer: Client, deliver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid_order(sandbox, buyer, deliver)
    monkeypatch.delitem(CURRENCIES, "usd")
    with pytest.raises(CommandError, match="no payments in the currency 'usd'") as refusal:
        command(f"{SINCE}", f"{UNTIL}")
    assert refusal.value.returncode == 2


def test_the_page_says_what_each_column_and_kind_is() -> None:
    text = (BASE_DIR / "docs" / "books.md").read_text()
    for name in (*COLUMNS, *(kind.value for kind in statement.Kind)):
        assert re.search(rf"^\| (?:`\w+`, )?`{name}`(?:, `\w+`)? \|", text, re.MULTILINE), name
