"""`manage.py reset_second_factor NAME`: for the owner who lost phone and recovery codes, or is locked out."""

from typing import Any

from axes.utils import reset
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kopeck.staff import second_factor


class Command(BaseCommand):
    help = "Takes a staff member's second factor away, and forgives their wrong passwords."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the name that they log in with")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user called {username}.")
        had = second_factor.switch_off(user)
        forgiven = reset(username=username)
        first = (
            f"{username} now logs in with the password alone." if had else f"{username} had no second factor."
        )
        self.stdout.write(f"{first} Wrong passwords forgiven: {forgiven}.")
