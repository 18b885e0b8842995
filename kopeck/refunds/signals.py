"""What happened to a refund, told to the rooms above in the transaction that writes it."""

from django.dispatch import Signal

#: Stripe has made `refund`: its money is on its way to the buyer.
refund_made = Signal()
