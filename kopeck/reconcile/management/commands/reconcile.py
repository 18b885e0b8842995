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

from kopeck.progress import Bar
from kopeck.reconcile.compare import Report, Scope, reconcile
from kopeck.reconcile.models import Finding


class Command(BaseCommand):
    help = "Compares Stripe's sessions, intents, refunds, disputes and events with the shop, both ways."

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
        scope = Scope(accounts, _day(options["since"]), everything=options["all"], dry_run=options["dry_run"])
        try:
            report = self.compare(scope)
        except DatabaseError as problem:
            said = " ".join(str(problem).split()) or type(problem).__name__
            raise CommandError(f"The database failed: {said}", returncode=2) from None
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(report, scope), ensure_ascii=False))
        else:
            self.show(report, scope)
        if report.troubles:
            raise SystemExit(2)
        if report.left:
            raise SystemExit(1)

    def compare(self, scope: Scope) -> Report:
        with Bar(self.stderr) as bar:

            def tell(done: int, total: int, what: str) -> None:
                bar.done, bar.total = done, total
                bar.step(what)

            return reconcile(scope, tell)

    def show(self, report: Report, scope: Scope) -> None:
        for finding in sorted(report.findings, key=lambda finding: finding.repaired):
            self.stdout.write(_row(finding), None if finding.repaired else self.style.ERROR)
        for account, trouble in report.troubles.items():
            self.stderr.write(f"{account}: Stripe could not be asked about everything: {trouble}")
        names = ", ".join(report.accounts)
        said = f"{names}: {report.checked} compared, {report.repaired} repaired, {len(report.left)} left"
        self.stdout.write(f"{said} ({report.seconds:.1f} s{', nothing was changed' * scope.dry_run}).")


def _day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        day = datetime.fromisoformat(text)
        return day if day.tzinfo else day.replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"--since should be a day, such as 2026-11-01, not {text!r}.") from None


def _row(finding: Finding) -> str:
    mark = "✓" if finding.repaired else "✗"
    return f"{mark} {finding.account:8} {finding.code:22} {finding.said}"


def _as_dict(report: Report, scope: Scope) -> dict[str, Any]:
    return {
        "accounts": list(report.accounts),
        "checked": report.checked,
        "repaired": report.repaired,
        "left": len(report.left),
        "findings": [finding.as_dict() for finding in report.findings],
        "troubles": report.troubles,
        "dry_run": scope.dry_run,
        "seconds": round(report.seconds, 2),
    }
