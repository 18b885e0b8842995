"""What an amount must be to be charged: not too small, not too large, and payable in its currency."""

from __future__ import annotations

from stripe_sandbox.core.errors import invalid
from stripe_sandbox.rules import currencies


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Refuse (400) an amount, in minor units, that Stripe would not charge."""
    if amount < 1:
        raise invalid(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param
        )
    if amount < currencies.minimum(currency):
        least = currencies.sentence(currencies.minimum(currency), currency)
        raise invalid(f"Amount must be at least {least}", code="amount_too_small", param=param)
    if amount > currencies.maximum(currency):
        most = currencies.sentence(currencies.maximum(currency), currency)
        if not most[0].isdigit():  # here, unlike elsewhere, a sign stands without the code
            most = most.removesuffix(f" {currency.upper()}")
        raise invalid(f"Amount must be no more than {most}", code="amount_too_large", param=param)
    if amount % currencies.step(currency):
        raise invalid(
            f"Invalid amount: amounts in {currency.upper()} must be a multiple of "
            f"{currencies.step(currency)}.",
            code="parameter_invalid_integer",
            param=param,
        )


def check_session_total(total: int, currency: str) -> None:
    """A Checkout Session may come to nothing at all, or else must be worth charging."""
    if 0 < total < currencies.minimum(currency):
        least = currencies.sentence(currencies.minimum(currency), currency)
        raise invalid(
            f"The Checkout Session's total amount due must add up to at least {least}",
            code="amount_too_small",
        )
    if total > currencies.maximum(currency):
        most = currencies.sentence(currencies.maximum(currency), currency)
        raise invalid(
            f"The Checkout Session's total amount due must add up to no more than {most}",
            code="amount_too_large",
        )
