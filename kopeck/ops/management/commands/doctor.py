"""`manage.py doctor`: one line for each check of the shop, its database, its worker and its Stripe accounts.

✓ is well, ! should be looked at, ✗ is wrong: then the exit status is 1. `--json` for programs.
`--mail you@example.com` sends a test mail too, and says what came of it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from kopeck.ops import doctor
from kopeck.ops.mail_check import send_test
from kopeck.ops.stripe_checks import Check


class Command(BaseCommand):
    help = "Checks the shop's settings, database, worker and every Stripe account, and says what to do."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object instead of lines.")
        parser.add_argument("--mail", metavar="ADDRESS", default="", help="Sends a test mail there too.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        if options["mail"]:
            try:
                validate_email(options["mail"])
            except ValidationError:
                raise CommandError("--mail: this is no e-mail address.") from None
        for check in chain(doctor.examine(), _mail(options["mail"])):
            found.append(check)
            if not options["json"]:
                self.stdout.write(str(check), self.style.ERROR if check.level == "fail" else None)
                self.stdout.flush()
        wrong = sum(check.level == "fail" for check in found)
        doubtful = sum(check.level == "warn" for check in found)
        if options["json"]:
            checks = [asdict(check) for check in found]
            self.stdout.write(json.dumps({"ok": not wrong, "checks": checks}, ensure_ascii=False, indent=2))
        else:
            self.stdout.write(f"{len(found)} checks: {wrong} wrong, {doubtful} to look at.")
        if wrong:
            raise SystemExit(1)


def _mail(to: str) -> Iterator[Check]:
    if to:
        yield send_test(to)
