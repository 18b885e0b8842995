"""Where the seller finds payments and disputes at Stripe, or in the sandbox."""

from django.conf import settings

from kopeck.payments.models import Payment
from kopeck.refunds.models import Dispute


def dashboard_link(payment: Payment) -> str:
    """Where the payment is seen; "" for one that Stripe never made."""
    if not payment.stripe_id:
        return ""
    page = f"payments/{payment.payment_intent}" if payment.payment_intent else "payments"
    return _at_stripe(payment.account, page)


def evidence_link(dispute: Dispute) -> str:
    """Where the dispute is answered."""
    return _at_stripe(dispute.account, f"disputes/{dispute.stripe_id}")


def _at_stripe(account_name: str, page: str) -> str:
    if settings.STRIPE_SANDBOX:
        return f"{settings.SANDBOX_URL}/"
    account = settings.STRIPE_ACCOUNTS.get(account_name)
    mode = "" if account is None or account.livemode else "test/"
    return f"https://dashboard.stripe.com/{mode}{page}"
