"""The owner's desk: an order with all that belongs to it, and why it is in its state.

Owns: No tables: the admin pages of orders and payments.
It stands above all rooms that it shows, so none of them knows of it.
"""
