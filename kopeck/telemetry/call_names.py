"""What a call of Stripe is named in logs, metrics and traces: as its library names it, without ids."""

from urllib.parse import urlsplit

#: Words of Stripe's addresses; whatever else stands there is an id, so that the names stay few.
WORDS = frozenset(
    "account accounts balance balance_transactions cancel capture charges checkout close confirm coupons "
    "customers disputes events expire line_items payment_intents payment_methods payouts prices products "
    "promotion_codes refunds search sessions setup_intents tax_rates webhook_endpoints".split()
)
#: The last word that is done to an object, rather than a list of its own.
ACTIONS = ("cancel", "capture", "close", "confirm", "expire", "search")


def name_of(method: str, url: str) -> str:
    """As Stripe's library calls it: `checkout.sessions.create`, `payment_intents.cancel`, `refunds.list`."""
    parts = urlsplit(url).path.strip("/").split("/")[1:]  # without the v1
    words = [part for part in parts if part in WORDS]
    if words and words[-1] in ACTIONS and parts[-1] == words[-1]:
        return ".".join(words)
    # An address that ends in an id, or is an account's one of a kind, is an object; else a list.
    is_object = parts[-1:] != words[-1:] or words[-1:] in (["account"], ["balance"])
    verb = {"GET": "retrieve" if is_object else "list", "DELETE": "delete"}.get(method.upper())
    return ".".join([*words, verb or ("update" if is_object else "create")])
