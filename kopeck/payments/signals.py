"""What happened to a payment, told to the rooms above in the transaction that writes it.

Receivers run with the order's row locked. What they raise undoes the payment's own change: they only write
rows and defer jobs.
"""

from django.dispatch import Signal

#: `payment` paid its `order`. Of a payment that came too late, `order.sold_out` says what is gone.
order_paid = Signal()
#: `payment` arrived and needs review (`payment.review_reason`); `amount`: what Stripe took, in minor units.
payment_needs_review = Signal()
