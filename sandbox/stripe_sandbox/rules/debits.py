"""SEPA Direct Debit: a bank account instead of a card, whose money comes, or does not, some time later.

The test accounts are Stripe's (docs.stripe.com/payments/sepa-debit/accept-a-payment). Other IBANs are
refused, for nobody could say how they end, so none but a test account's is ever kept.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from stripe_sandbox.core import errors
from stripe_sandbox.core.store import Obj
from stripe_sandbox.rules.cards import Decline

TYPE = "sepa_debit"
CURRENCY = "eur"


@dataclass(frozen=True)
class BankAccount:
    """What a buyer types who pays by direct debit."""

    iban: str


@dataclass(frozen=True)
class TestDebit:
    """A test account and how its debits end: `failure` None where the money comes."""

    __test__ = False  # not a class of tests, though pytest would think so

    iban: str
    label: str
    failure: Decline | None = None


NO_MONEY = Decline(
    "insufficient_funds", "The customer's account has insufficient funds to cover this payment."
)

TEST_DEBITS = (
    TestDebit("AT611904300234573201", "Pays after a while"),
    TestDebit("DE89370400440532013000", "Pays after a while, German"),
    TestDebit("AT861904300235473202", "Fails after a while", NO_MONEY),
    TestDebit("DE62370400440532013001", "Fails after a while, German", NO_MONEY),
)
BY_IBAN = {debit.iban: debit for debit in TEST_DEBITS}
#: What `/_sandbox/` calls the two ends.
BY_OUTCOME = {"succeeds": TEST_DEBITS[0], "fails": TEST_DEBITS[2]}


def read(account: BankAccount, *, param: str = "sepa_debit[iban]") -> TestDebit:
    """How a debit of this account will end. Raises StripeError (400) where it is no IBAN, or no test one."""
    iban = "".join(account.iban.split()).upper()
    if not _is_iban(iban):
        raise errors.invalid(
            "The IBAN you provided is invalid.", code="invalid_bank_account_iban", param=param
        )
    if iban not in BY_IBAN:
        raise errors.invalid(
            f"The local sandbox debits test accounts only: {', '.join(BY_IBAN)}.",
            code="bank_account_unusable",
            param=param,
        )
    return BY_IBAN[iban]


def _is_iban(text: str) -> bool:
    """Country, check digits, account; as a number (A is 10) it leaves 1 when divided by 97."""
    if not (15 <= len(text) <= 34 and text.isascii() and text.isalnum() and text[:2].isalpha()):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(sign, 36)) for sign in moved)) % 97 == 1


def shown_account(account: str, debit: TestDebit) -> Obj:
    """The `sepa_debit` of a PaymentMethod."""
    iban = debit.iban
    return {
        "bank_code": iban[4:9] if iban.startswith("AT") else iban[4:12],
        "branch_code": "",
        "country": iban[:2],
        "fingerprint": hashlib.sha256(f"{account}:{iban}".encode()).hexdigest()[:16],
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }
