"""`manage.py forget buyer@example.com`: removes a buyer's personal data; the books stay whole.

Exit status 1: the address is none, or an order was left alone, which is named.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from kopeck.books.forget import forget, read_address
from kopeck.errors import ShopError


class Command(BaseCommand):
    help = "Removes the personal data of the buyer with this e-mail address. Sums, taxes and numbers stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", metavar="EMAIL")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = forget(read_address(options["email"]))
        except ShopError as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(done.said)
        for sentence in done.left_alone:
            self.stdout.write(sentence, self.style.WARNING)
        if done.kept:
            raise SystemExit(1)
