"""What a buyer typed on the hosted page: read, checked for completeness, and kept for the next rendering.

Only form is checked here (empty, half typed); whether a card is good is for `cards` and `checkout` to say.
The values kept for another rendering never hold card data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stripe_sandbox.checkout.buyer import Buyer, address, asks_address, asks_phone, countries
from stripe_sandbox.checkout.collecting import asks, problem
from stripe_sandbox.core.store import Obj
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


#: How the inputs of the shop's own fields begin; their keys follow.
OWN = "custom_"
#: The ends of the names that an address's inputs have, as on Stripe's own page.
PARTS = {
    "AddressLine1": "line1",
    "AddressLine2": "line2",
    "Locality": "city",
    "PostalCode": "postal_code",
    "AdministrativeArea": "state",
    "Country": "country",
}
MISSING = {
    "AddressLine1": "Enter your address.",
    "Locality": "Enter your city.",
    "PostalCode": "Enter your postal code.",
    "Country": "Choose a country.",
}


def asked_by(session: Obj) -> dict[str, str]:
    """The inputs that a session's form has besides e-mail and card, each with its words where it is empty."""
    asked: dict[str, str] = {}
    if asks_phone(session):
        asked["phoneNumber"] = "Enter your phone number."
    places = countries(session)
    if places:
        asked["shippingName"] = "Enter your full name."
        asked |= {f"shipping{end}": MISSING.get(end, "") for end in PARTS}
    if asks_address(session):
        if places:
            asked["sameAddress"] = ""
        asked |= {f"billing{end}": MISSING.get(end, "") for end in PARTS}
    if len(session["shipping_options"]) > 1:
        asked["shippingRate"] = "Choose how it is sent."
    for own in session["custom_fields"]:
        asked[OWN + own["key"]] = "" if own["optional"] else "Fill in this field."
    if asks(session, "terms_of_service"):
        asked["termsOfService"] = "Agree to the terms to go on."
    if asks(session, "promotions"):
        asked["promotions"] = ""
    return asked


def check_own(session: Obj, form: "PayForm") -> None:
    """Say what is wrong with the answers to the shop's own fields."""
    for own in session["custom_fields"]:
        name = OWN + own["key"]
        if name not in form.errors and (wrong := problem(own, form.values[name])):
            form.errors[name] = wrong


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
    def buyer(self) -> Buyer:
        """Who it is, and where the goods go."""
        said = self.values
        shipped = self._address("shipping")
        return Buyer(
            email=said.get("email") or None,
            name=said.get("billingName") or None,
            phone=said.get("phoneNumber") or None,
            address=self._address("billing"),
            shipping=shipped and {"name": said.get("shippingName", ""), "address": shipped},
            shipping_rate=said.get("shippingRate") or None,
            custom={name.removeprefix(OWN): text for name, text in said.items() if name.startswith(OWN)},
            promotions=bool(said.get("promotions")),
        )

    def _address(self, whose: str) -> Obj | None:
        found = {part: self.values.get(f"{whose}{end}", "") for end, part in PARTS.items()}
        return address(found) if any(found.values()) else None

    def refuse(self, code: str | None, message: str) -> None:
        """Put the payment's refusal beside the input it is about."""
        self.errors[FIELD_OF_CODE.get(code or "", "cardNumber")] = message


def read(
    posted: Mapping[str, str],
    *,
    methods: Sequence[str],
    fixed_email: str = "",
    asked: Mapping[str, str] | None = None,
) -> PayForm:
    """The form as `posted`; `methods` are those that the session offers, none where nothing is due. A
    `fixed_email` (the session's customer_email) can't be typed over. `asked`: the inputs besides, each with
    the words for where it is empty ("" where it may be)."""
    form = PayForm()
    same = bool(posted.get("sameAddress")) and "sameAddress" in (asked or {})
    for name, words in (asked or {}).items():
        from_shipping = same and name.startswith("billing") and name.removeprefix("billing") in PARTS
        source = name.replace("billing", "shipping") if from_shipping else name
        form.values[name] = posted.get(source, "").strip()[:LONGEST]
        if words and not form.values[name] and not from_shipping:
            form.errors[name] = words
    form.values["email"] = fixed_email or posted.get("email", "").strip()[:LONGEST]
    if not form.values["email"]:
        form.errors["email"] = "Enter your email."
    elif not EMAIL.fullmatch(form.values["email"]):
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
    if not form.values["billingName"]:
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
