"""What a buyer typed on the hosted page: read, checked for completeness, and kept for the next rendering.

Only form is checked here (empty, half typed); whether a card is good is for `cards` and `checkout` to say.
The values kept for another rendering never hold card data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stripe_sandbox.rules import debits
from stripe_sandbox.rules.cards import Card
from stripe_sandbox.rules.debits import BankAccount

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(\d{2}|\d{4})|(\d{2})(\d{2})")
LONGEST = 512

# Where on the form an error of the payment belongs; everything else is said under the card number.
FIELD_OF_CODE = {
    "invalid_expiry_month": "cardExpiry",
    "invalid_expiry_year": "cardExpiry",
    "expired_card": "cardExpiry",
    "incorrect_cvc": "cardCvc",
    "invalid_cvc": "cardCvc",
    "invalid_bank_account_iban": "iban",
    "bank_account_unusable": "iban",
}


@dataclass
class PayForm:
    """The state of the form: `values` to show again and `errors`, both by input name.

    `number` holds digits only, `month` and `year` (four digits) are 0 while not understood.
    """

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    number: str = ""
    month: int = 0
    year: int = 0
    cvc: str = ""
    iban: str = ""

    @property
    def source(self) -> Card | BankAccount | None:
        """What is paid with; None where nothing is due."""
        if self.iban:
            return BankAccount(self.iban)
        return Card(self.number, self.month, self.year, self.cvc) if self.number else None

    @property
    def email(self) -> str:
        return self.values.get("email", "")

    @property
    def name(self) -> str:
        return self.values.get("billingName", "")

    def refuse(self, code: str | None, message: str) -> None:
        """Put the payment's refusal beside the input it is about."""
        self.errors[FIELD_OF_CODE.get(code or "", "cardNumber")] = message


def read(posted: Mapping[str, str], *, methods: Sequence[str], fixed_email: str = "") -> PayForm:
    """The form as `posted`; `methods` are those that the session offers, none where nothing is due. A
    `fixed_email` (the session's customer_email) can't be typed over."""
    form = PayForm()
    form.values["email"] = fixed_email or posted.get("email", "").strip()[:LONGEST]
    if not form.email:
        form.errors["email"] = "Enter your email."
    elif not EMAIL.fullmatch(form.email):
        form.errors["email"] = "Your email is incomplete."
    if not methods:
        return form
    form.values["billingName"] = posted.get("billingName", "").strip()[:LONGEST]
    wanted = posted.get("method", methods[0])
    form.values["method"] = wanted if wanted in methods else methods[0]
    by_debit = form.values["method"] == debits.TYPE
    if by_debit:
        _read_debit(form, posted)
    else:
        _read_card(form, posted)
    if not form.name:
        form.errors["billingName"] = "Enter your full name." if by_debit else "Enter the name on the card."
    return form


def _read_debit(form: PayForm, posted: Mapping[str, str]) -> None:
    form.iban = "".join(posted.get("iban", "").split()).upper()
    if not form.iban:
        form.errors["iban"] = "Enter an IBAN."


def _read_card(form: PayForm, posted: Mapping[str, str]) -> None:
    form.number = re.sub(r"[\s-]", "", posted.get("cardNumber", ""))
    form.cvc = posted.get("cardCvc", "").strip()
    if not form.number:
        form.errors["cardNumber"] = "Enter a card number."
    elif not form.number.isascii() or not form.number.isdigit() or len(form.number) < 12:
        form.errors["cardNumber"] = "Your card number is incomplete."
    expiry = EXPIRY.fullmatch(posted.get("cardExpiry", "").strip())
    if expiry is None:
        form.errors["cardExpiry"] = "Your card's expiration date is incomplete."
    else:
        month, year = (int(part) for part in expiry.groups() if part is not None)
        form.month, form.year = month, year if year > 99 else 2000 + year
    if not re.fullmatch(r"[0-9]{3,4}", form.cvc):
        form.errors["cardCvc"] = "Your card's security code is incomplete."
