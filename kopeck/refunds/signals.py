"""What happened to a refund, told to the rooms above in the transaction that writes it."""

from django.dispatch import Signal

#: The money of `refund` is on its way to the buyer.
refund_given = Signal()
