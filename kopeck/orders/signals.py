"""What happened to an order, told to the rooms above in the transaction that writes it."""

from django.dispatch import Signal

#: `shipment` was marked as sent, and its order's row is locked.
order_sent = Signal()
