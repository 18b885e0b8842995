"""`manage.py stripe_webhooks`: the webhook endpoint of every account at Stripe, made or put right.

Safe to run again and again. What has to be put into the environment is printed; exit status 1 where Stripe
did not do what was asked.
"""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kopeck.stripe_api.accounts import WEBHOOK_SECRET, Account, variable
from kopeck.stripe_api.client import API_VERSION, StripeRefused, StripeUnavailable
from kopeck.webhooks import endpoints


class Command(BaseCommand):
    help = "Makes or updates the webhook endpoint of every Stripe account, and says what to put where."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", help="The shop's address (https://shop.example); else SITE_URL.")
        parser.add_argument(
            "--finish",
            action="store_true",
            help="Delete the older endpoints that lead here too, once the new secret is in use.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        address = options["url"] or settings.SITE_URL
        if not address:
            raise CommandError("Where is the shop? Give --url https://shop.example, or set SITE_URL.")
        accounts: list[Account] = list(settings.STRIPE_ACCOUNTS.values())
        try:
            base = endpoints.base_of(address, livemode=any(account.livemode for account in accounts))
        except endpoints.BadAddress as problem:
            raise CommandError(str(problem)) from None
        failed = False
        for account in accounts:
            try:
                self.sync(account, base, finish=options["finish"])
            except (StripeUnavailable, StripeRefused) as trouble:
                failed = True
                self.stderr.write(f"{account.name}: Stripe did not do it. {trouble}")
        if failed:
            raise SystemExit(1)

    def sync(self, account: Account, base: str, *, finish: bool) -> None:
        synced = endpoints.sync(account, base)
        endpoint = synced.endpoint
        done = "made" if synced.made else ", ".join(synced.changed) or "is as it should be"
        count = len(endpoint["enabled_events"])
        self.stdout.write(f"{account.name}: {endpoint['url']} ({endpoint['id']}): {done}")
        self.stdout.write(f"  {count} kinds of events, API version {endpoint['api_version'] or API_VERSION}")
        self.say_secret(account, synced)
        if synced.others and finish and not synced.made:
            self.stdout.write(f"  deleted: {', '.join(endpoints.finish(account, synced))}")
        elif synced.others:
            named = ", ".join(other["id"] for other in synced.others)
            self.stdout.write(
                f"  {named} delivers here too. Once the shop runs with the secret of {endpoint['id']}: "
                "manage.py stripe_webhooks --finish"
            )

    def say_secret(self, account: Account, synced: endpoints.Synced) -> None:
        name = variable(WEBHOOK_SECRET, account.name)
        if synced.made:
            # Both, while the older endpoint still signs with its own.
            present = account.webhook_secrets[0] if synced.others and account.webhook_secrets else ""
            beside = " with the present secret after it, a comma between" if present else ""
            self.stdout.write(f"  put into the shop's environment{beside}, and start the shop anew:")
            self.stdout.write(f"    {name}={synced.secret}")
            self.stdout.write("  Stripe shows this secret only now; its Dashboard can reveal it later.")
        elif not account.webhook_secrets:
            self.stdout.write(
                f"  {name} is not set: Stripe's Dashboard shows the secret of {synced.endpoint['id']} "
                "(Developers, Webhooks, Signing secret)."
            )
