"""`manage.py mirror --check`: every discrepancy between the shop's discounts and taxes and Stripe's objects.

`--repair` repairs them. Exit status 1 while there are any, 2 where Stripe or the database can't be asked. The
same comparison as `manage.py reconcile`, of these two kinds alone.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from kopeck.reconcile.compare import MIRRORED, Scope
from kopeck.reconcile.management.commands.reconcile import Command as Reconcile


class Command(Reconcile):
    help = "Compares discounts and taxes with their coupons and tax rates in every Stripe account."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--check", action="store_true", help="List the discrepancies; change nothing.")
        what.add_argument("--repair", action="store_true", help="List the discrepancies and repair them.")

    def handle(self, *args: Any, **options: Any) -> None:
        accounts = tuple(settings.STRIPE_ACCOUNTS)
        repair = MIRRORED if options["repair"] else frozenset()
        report = self.compare(Scope(accounts, kinds=tuple(sorted(MIRRORED)), repair=repair))
        for account, trouble in report.troubles.items():
            raise CommandError(f"Stripe can't be asked about account {account}: {trouble}", returncode=2)
        for found in report.discrepancies:
            self.stdout.write(f"account {found.account}, {found.said}")
        left = len(report.left)
        compared = f"{len(accounts)} account{'s' if len(accounts) > 1 else ''} compared"
        end = " left" if report.discrepancies and options["repair"] else ""
        self.stdout.write(f"{compared}: {_discrepancies(left)}{end}.")
        if left:
            raise SystemExit(1)


def _discrepancies(count: int) -> str:
    if count == 0:
        return "no discrepancy"
    return f"{count} discrepanc{'ies' if count > 1 else 'y'}"
