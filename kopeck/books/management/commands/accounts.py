"""`manage.py accounts 2026-11-01 2026-11-30`: the accountant's statement of these days, as CSV.

Exit status 1: the days or the file are wrong; 2: Stripe, or the database, could not be asked: nothing, or
only an incomplete file, was written.
"""

import sys
from datetime import date
from typing import Any, TextIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from kopeck.books.statement import Sums, trouble_with, write
from kopeck.books.summary import lines
from kopeck.errors import in_a_line
from kopeck.money import MoneyError
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable


class Command(BaseCommand):
    help = "Sales, taxes, refunds, disputes, Stripe's fees of a period as CSV that adds up to its balance."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "since", metavar="FROM", help="The first day (2026-11-01), in the shop's time zone."
        )
        parser.add_argument("until", metavar="TO", help="The last day, which is included.")
        parser.add_argument("--account", help="Only this account: default, or a currency.")
        parser.add_argument("--out", metavar="FILE", help="The file to write; else it goes to the output.")

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = _day(options["since"]), _day(options["until"])
        if since > until:
            raise CommandError(f"The first day, {since}, is after the last day, {until}.")
        if trouble := trouble_with(since, until):
            raise CommandError(trouble)
        accounts = [options["account"]] if options["account"] else list(settings.STRIPE_ACCOUNTS)
        if unknown := set(accounts) - set(settings.STRIPE_ACCOUNTS):
            raise CommandError(f"There is no account {unknown.pop()}: {', '.join(settings.STRIPE_ACCOUNTS)}.")
        try:
            if options["out"]:
                with open(options["out"], "w", encoding="utf-8-sig", newline="") as out:
                    sums = self.make(since, until, accounts, out)
            else:
                sums = self.make(since, until, accounts, _plain(self.stdout))
        except OSError as problem:
            raise CommandError(
                f"{options['out'] or 'The output'} can't be written: {problem.strerror}."
            ) from None
        for line in lines(sums.as_json()):
            self.stderr.write(line, self.style.SUCCESS)

    def make(self, since: date, until: date, accounts: list[str], out: TextIO) -> Sums:
        try:
            return write(since, until, accounts, out)
        except (StripeUnavailable, StripeRefused) as trouble:
            raise CommandError(
                f"Stripe could not be asked about everything: {trouble}", returncode=2
            ) from None
        except MoneyError as problem:
            raise CommandError(str(problem), returncode=2) from None
        except DatabaseError as problem:
            raise CommandError(f"The database failed: {in_a_line(problem)}", returncode=2) from None


def _plain(stdout: Any) -> TextIO:
    """The stream under Django's wrapper, which ends each text with a line break of its own."""
    out: TextIO = getattr(stdout, "_out", sys.stdout)
    return out


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"A day is written as 2026-11-01, not {text!r}.") from None
