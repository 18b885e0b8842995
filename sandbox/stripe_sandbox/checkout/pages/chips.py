"""The test cards as the page offers them: chips that fill the form. What a card does is `cards`' business."""

from dataclasses import dataclass

from stripe_sandbox.rules.cards import TEST_CARDS, TestCard
from stripe_sandbox.rules.debits import BY_IBAN, TEST_DEBITS

EXPIRY = "12 / 34"
# Shown at first; all the others wait behind "more".
COMMON = {
    "4242424242424242",
    "4000000000003220",
    "4000000000000002",
    "4000000000009995",
    "4000000000000069",
    "4000000000000127",
}


@dataclass(frozen=True)
class Chip:
    """One test card to click. `tone` is good (pays), wait (asks, or something comes later) or bad (refused);
    `common` ones are shown first, the others behind "more"."""

    number: str
    label: str
    tone: str
    common: bool
    cvc: str

    @property
    def tail(self) -> str:
        return self.number[-4:]


def _chip(card: TestCard) -> Chip:
    later = card.three_d_secure or card.refund or card.dispute
    tone = "bad" if card.decline else "wait" if later else "good"
    return Chip(
        card.number, card.label, tone, card.number in COMMON, "1234" if card.brand == "amex" else "123"
    )


#: The test bank accounts as (IBAN, label, tone).
DEBIT_CHIPS = tuple((debit.iban, debit.label, "bad" if debit.failure else "wait") for debit in TEST_DEBITS)
CHIPS = tuple(_chip(card) for card in TEST_CARDS)


def prefill(number: str, iban: str = "") -> dict[str, str]:
    """The form's inputs for a chip followed with JavaScript off; nothing for any other number."""
    if iban in BY_IBAN:
        return {"method": "sepa_debit", "iban": iban}
    for chip in CHIPS:
        if chip.number == number:
            return {"cardNumber": number, "cardExpiry": EXPIRY, "cardCvc": chip.cvc}
    return {}
