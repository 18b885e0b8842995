"""Stripe's test cards, and what a card must be to be a card at all. Source: docs.stripe.com/testing.

Any other good number is refused as Stripe's test mode refuses a real card. No card number is ever stored.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from stripe_sandbox.core.errors import StripeError


@dataclass(frozen=True)
class Card:
    """What a buyer types; `exp_year` has four digits."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str | None = None


@dataclass(frozen=True)
class Decline:
    """Why a bank says no: Stripe's code, decline code, and the sentence for the buyer."""

    code: str
    message: str
    decline_code: str | None = None
    network_decline_code: str | None = None
    advice_code: str | None = None
    blocked: bool = False  # by Radar, before the bank was asked


@dataclass(frozen=True)
class TestCard:
    """A card of Stripe's list and how it behaves. `three_d_secure`: "", "challenge" for those that always
    ask, "unless_set_up" for one that does not ask off-session once it is set up. `saved`: a card that
    declines can be saved all the same."""

    __test__ = False  # not a class of tests, though pytest would think so

    number: str
    label: str
    methods: tuple[str, ...] = ()
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: Decline | None = None
    three_d_secure: str = ""
    refund: str = ""  # "pending" (succeeds later) or "failing" (succeeds, then fails)
    saved: bool = False
    dispute: str = ""  # the dispute's reason; "inquiry" for an inquiry

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def setup_decline(self) -> Decline | None:
        """What saving the card meets. Cards with 3-D Secure and those that Radar blocks are saved."""
        refused = self.decline and not (self.saved or self.three_d_secure or self.decline.blocked)
        return self.decline if refused else None


DECLINED = "Your card was declined."
GENERIC = Decline("card_declined", DECLINED, "generic_decline", "01", "try_again_later")
EXPIRED = Decline("expired_card", "Your card has expired.", "expired_card", "54", "confirm_card_data")
WRONG_CVC = Decline(
    "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", "N7", "confirm_card_data"
)
PROCESSING = Decline(
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
    "processing_error",
    "05",
    "try_again_later",
)
NO_MONEY = Decline(
    "card_declined", "Your card has insufficient funds.", "insufficient_funds", "51", "try_again_later"
)
LOST = Decline("card_declined", DECLINED, "lost_card", "41", "do_not_try_again")
STOLEN = Decline("card_declined", DECLINED, "stolen_card", "43", "do_not_try_again")
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
    "authentication_required",
    "1A",
)
BLOCKED = Decline("card_declined", DECLINED, "fraudulent", blocked=True)
NOT_A_TEST_CARD = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of "
    "valid test cards, visit: https://stripe.com/docs/testing.",
    "test_mode_live_card",
)

TEST_CARDS = (
    TestCard("4242424242424242", "Pays", ("pm_card_visa",)),
    TestCard("4000056655665556", "Visa debit", ("pm_card_visa_debit",), funding="debit"),
    TestCard("5555555555554444", "Mastercard", ("pm_card_mastercard",), "mastercard"),
    TestCard("2223003122003222", "Mastercard, 2-series", (), "mastercard"),
    TestCard("5200828282828210", "Mastercard debit", ("pm_card_mastercard_debit",), "mastercard", "debit"),
    TestCard("378282246310005", "American Express", ("pm_card_amex",), "amex"),
    TestCard("6011111111111117", "Discover", ("pm_card_discover",), "discover"),
    TestCard("3056930009020004", "Diners Club", ("pm_card_diners",), "diners"),
    TestCard("3566002020360505", "JCB", ("pm_card_jcb",), "jcb", country="JP"),
    TestCard("6200000000000005", "UnionPay", ("pm_card_unionpay",), "unionpay", country="CN"),
    TestCard(
        "4000000000000002",
        "Declined",
        ("pm_card_visa_chargeDeclined", "pm_card_chargeDeclined"),
        decline=GENERIC,
    ),
    TestCard(
        "4000000000009995",
        "No money",
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "pm_card_chargeDeclinedInsufficientFunds"),
        decline=NO_MONEY,
    ),
    TestCard("4000000000009987", "Lost card", ("pm_card_visa_chargeDeclinedLostCard",), decline=LOST),
    TestCard("4000000000009979", "Stolen card", ("pm_card_visa_chargeDeclinedStolenCard",), decline=STOLEN),
    TestCard("4000000000000069", "Expired", ("pm_card_chargeDeclinedExpiredCard",), decline=EXPIRED),
    TestCard("4000000000000127", "Wrong CVC", ("pm_card_chargeDeclinedIncorrectCvc",), decline=WRONG_CVC),
    TestCard(
        "4000000000000119",
        "Processing error",
        ("pm_card_chargeDeclinedProcessingError",),
        decline=PROCESSING,
    ),
    TestCard(
        "4000002500003155",
        "3-D Secure unless set up",
        ("pm_card_authenticationRequiredOnSetup",),
        three_d_secure="unless_set_up",
    ),
    TestCard(
        "4000002760003184",
        "3-D Secure",
        ("pm_card_authenticationRequired",),
        three_d_secure="challenge",
    ),
    TestCard(
        "4000000000003220",
        "3-D Secure 2",
        ("pm_card_threeDSecure2Required", "pm_card_threeDSecureRequired"),
        three_d_secure="challenge",
    ),
    TestCard(
        "4000008400001629",
        "3-D Secure, then declined",
        ("pm_card_threeDSecureRequiredChargeDeclined",),
        decline=GENERIC,
        three_d_secure="challenge",
    ),
    TestCard(
        "4000000000000341",
        "Saved, then declined",
        ("pm_card_chargeCustomerFail",),
        decline=GENERIC,
        saved=True,
    ),
    TestCard("4000000000007726", "Refund pending", ("pm_card_pendingRefund",), refund="pending"),
    TestCard("4000000000005126", "Refund fails", ("pm_card_refundFail",), refund="failing"),
    TestCard("4000000000000259", "Disputed as fraud", ("pm_card_createDispute",), dispute="fraudulent"),
    TestCard(
        "4000000000002685",
        "Disputed, not received",
        ("pm_card_createDisputeProductNotReceived",),
        dispute="product_not_received",
    ),
    TestCard("4000000000001976", "Inquiry", ("pm_card_createDisputeInquiry",), dispute="inquiry"),
    TestCard("4100000000000019", "Blocked by Radar", ("pm_card_radarBlock",), decline=BLOCKED),
)
BY_NUMBER = {card.number: card for card in TEST_CARDS}
BY_METHOD = {method: card for card in TEST_CARDS for method in card.methods}
#: The ready-made tokens: `tok_visa` is the card of `pm_card_visa`.
TOKENS = {method.replace("pm_card_", "tok_"): method for method in BY_METHOD}


def luhn(number: str) -> bool:
    """The check digit that every card number ends in."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def brand_of(number: str) -> str:
    """By the leading digits; "unknown" where they tell nothing."""
    if number.startswith(("34", "37")):
        return "amex"
    if number[:2] in ("51", "52", "53", "54", "55") or 2221 <= int(number[:4]) <= 2720:
        return "mastercard"
    leading = {
        "4": "visa",
        "6011": "discover",
        "65": "discover",
        "35": "jcb",
        "62": "unionpay",
        "30": "diners",
    }
    return next((brand for start, brand in leading.items() if number.startswith(start)), "unknown")


def read(card: Card, now: int, *, prefix: str = "card") -> TestCard:
    """How this card will behave. Raises StripeError (402 card_error) where it cannot be a card: number,
    expiry, CVC; `prefix` is where in the request it stood (`card[number]`)."""
    number = card.number.replace(" ", "").replace("-", "")
    if not (number.isascii() and number.isdigit() and 12 <= len(number) <= 19 and luhn(number)):
        raise _unusable("incorrect_number", "Your card number is incorrect.", f"{prefix}[number]")
    today = time.gmtime(now)
    if not 1 <= card.exp_month <= 12:
        message = "Your card's expiration month is invalid."
        raise _unusable("invalid_expiry_month", message, f"{prefix}[exp_month]")
    if not today.tm_year <= card.exp_year <= today.tm_year + 50:
        message = "Your card's expiration year is invalid."
        raise _unusable("invalid_expiry_year", message, f"{prefix}[exp_year]")
    if (card.exp_year, card.exp_month) < (today.tm_year, today.tm_mon):
        message = "Your card's expiration month is invalid."
        raise _unusable("invalid_expiry_month", message, f"{prefix}[exp_month]")
    brand = brand_of(number)
    if card.cvc is not None and not _cvc_fits(card.cvc, brand):
        raise _unusable("invalid_cvc", "Your card's security code is invalid.", f"{prefix}[cvc]")
    unknown = TestCard(number, "Not a test card", brand=brand, decline=NOT_A_TEST_CARD)
    return BY_NUMBER.get(number, unknown)


def _cvc_fits(cvc: str, brand: str) -> bool:
    lengths = (3, 4) if brand == "amex" else (3,)
    return cvc.isascii() and cvc.isdigit() and len(cvc) in lengths


def _unusable(code: str, message: str, param: str) -> StripeError:
    return StripeError(402, "card_error", message, code=code, param=param)
