"""`manage.py mirror --check`: every difference between the shop's discounts and taxes and Stripe's copies.

`--repair` repairs them. Exit status 1 while there are any, 2 where Stripe or the database can't be asked.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from kopeck.mirror.drift import Difference, compare, repair
from kopeck.mirror.models import StripeMirror
from kopeck.progress import Bar
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable


class Command(BaseCommand):
    help = "Compares discounts and taxes with their coupons and tax rates in every Stripe account."

    def add_arguments(self, parser: CommandParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--check", action="store_true", help="List the differences; change nothing.")
        what.add_argument("--repair", action="store_true", help="List the differences and repair them.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.look(**options)
        except DatabaseError as problem:
            said = " ".join(str(problem).split()) or type(problem).__name__
            raise CommandError(f"The database failed: {said}", returncode=2) from None

    def look(self, **options: Any) -> None:
        accounts = list(settings.STRIPE_ACCOUNTS)
        found = self.compare(accounts)
        for difference in found:
            self.stdout.write(str(difference))
        left = len(found)
        if options["repair"] and found:
            left = self.repair(accounts, found)
        compared = f"{len(accounts)} account{'s' if len(accounts) > 1 else ''} compared"
        self.stdout.write(
            f"{compared}: {_differences(left)}{' left' if found and options['repair'] else ''}."
        )
        if left:
            raise SystemExit(1)

    def compare(self, accounts: list[str]) -> list[Difference]:
        found: list[Difference] = []
        with Bar(self.stderr, len(accounts) * len(StripeMirror.Kind)) as bar:
            for account in accounts:
                for kind in StripeMirror.Kind:
                    bar.step(f"{account}: every {kind.label}")
                    try:
                        found += compare(account, kind)
                    except (StripeUnavailable, StripeRefused) as trouble:
                        message = f"Stripe can't be asked about account {account}: {trouble}"
                        raise CommandError(message, returncode=2) from trouble
        return found

    def repair(self, accounts: list[str], found: list[Difference]) -> int:
        """Repairs what it can, says what it can't; how many differences are left by a second look."""
        problems = []
        with Bar(self.stderr, len(found)) as bar:
            for difference in found:
                bar.step(str(difference))
                try:
                    repair(difference)
                except (StripeUnavailable, StripeRefused) as trouble:
                    problems.append(f"not repaired: {difference}: {trouble}")
        for problem in problems:
            self.stderr.write(problem)
        return len(self.compare(accounts))


def _differences(count: int) -> str:
    return "no difference" if count == 0 else f"{count} difference{'s' if count > 1 else ''}"
