"""`manage.py reconcile`: compares every Stripe account with the shop, repairs what is safe, lists the rest.

Exit status 0: everything agrees by now; 1: something is left for a person; 2: Stripe, or the database, could
not be asked. With `--json` the last line of the output is one JSON object.
"""

import json
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from kopeck.errors import in_a_line
from kopeck.reconcile.compare import KINDS, Report, Scope, reconcile
from kopeck.reconcile.management.progress import Bar
from kopeck.reconcile.models import Discrepancy


class Command(BaseCommand):
    help = "Compares Stripe with the shop, both ways: payments, refunds, disputes, events, discounts, taxes."

    def add_arguments(self, parser: CommandParser) -> None:
        since = parser.add_mutually_exclusive_group()
        since.add_argument("--since", help="From this day on (2026-11-01); else since the last comparison.")
        since.add_argument("--all", action="store_true", help="Everything that Stripe lists.")
        parser.add_argument("--account", help="Only this account: default, or a currency.")
        parser.add_argument("--dry-run", action="store_true", help="Repair nothing, store nothing.")
        parser.add_argument("--json", action="store_true", help="One JSON object instead of a table.")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = tuple(settings.STRIPE_ACCOUNTS)
        if options["account"]:
            if options["account"] not in accounts:
                raise CommandError(f"There is no account {options['account']}: {', '.join(accounts)}.")
            accounts = (options["account"],)
        report = self.compare(
            Scope(
                accounts,
                since=_day(options["since"]),
                everything=options["all"],
                repair=frozenset() if options["dry_run"] else frozenset(KINDS),
                store=not options["dry_run"],
            )
        )
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(report, dry_run=options["dry_run"]), ensure_ascii=False))
        else:
            self.show(report, dry_run=options["dry_run"])
        if report.troubles:
            raise SystemExit(2)
        if report.left:
            raise SystemExit(1)

    def compare(self, scope: Scope) -> Report:
        """With a bar for who waits. CommandError where the database is away."""
        try:
            with Bar(self.stderr) as bar:

                def tell(done: int, total: int, what: str) -> None:
                    bar.done, bar.total = done, total
                    bar.step(what)

                return reconcile(scope, tell)
        except DatabaseError as problem:
            raise CommandError(f"The database failed: {in_a_line(problem)}", returncode=2) from None

    def show(self, report: Report, *, dry_run: bool) -> None:
        for found in sorted(report.discrepancies, key=lambda found: found.is_repaired):
            self.stdout.write(_row(found), None if found.is_repaired else self.style.ERROR)
        for account, trouble in report.troubles.items():
            self.stderr.write(f"{account}: Stripe could not be asked about everything: {trouble}")
        names, left = ", ".join(report.accounts), len(report.left)
        repaired = len(report.discrepancies) - left
        said = f"{names}: {report.checked} compared, {repaired} repaired, {left} left"
        self.stdout.write(f"{said} ({report.seconds:.1f} s{', nothing was changed' * dry_run}).")


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        day = datetime.fromisoformat(text)
        return day if day.tzinfo else day.replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"--since should be a day, such as 2026-11-01, not {text!r}.") from None


def _row(found: Discrepancy) -> str:
    mark = "✓" if found.is_repaired else "✗"
    return f"{mark} {found.account:8} {found.code:22} {found.said}"


def _as_dict(report: Report, *, dry_run: bool) -> dict[str, Any]:
    return {
        "accounts": list(report.accounts),
        "checked": report.checked,
        "repaired": len(report.discrepancies) - len(report.left),
        "left": len(report.left),
        "discrepancies": [found.as_dict() for found in report.discrepancies],
        "troubles": report.troubles,
        "dry_run": dry_run,
        "seconds": round(report.seconds, 2),
    }
