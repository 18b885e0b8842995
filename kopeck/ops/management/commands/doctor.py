"""`manage.py doctor`: one line for each check of the shop, its database, its worker and its Stripe accounts.

✓ is well, ! should be looked at, ✗ is wrong: then the exit status is 1. `--json` for programs.
"""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from kopeck.ops import doctor


class Command(BaseCommand):
    help = "Checks the shop's settings, database, worker and every Stripe account, and says what to do."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object instead of lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for check in doctor.examine():
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
