"""What happened to a refund or a dispute, told to the rooms above in the transaction that writes it."""

from django.dispatch import Signal

#: Stripe has made `refund`: its money is on its way to the buyer. `order` says what it is by now.
refund_made = Signal()
#: `dispute` of `order` was opened, or is in another state.
dispute_changed = Signal()
