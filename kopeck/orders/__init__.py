"""Orders: lines, discount, taxes, delivery, and their frozen totals.

Owns: `Order`, `OrderLine`, `OrderTax`, `OrderNote`, `Shipment`. `pricing` is pure arithmetic.
It knows items, and nothing of payments: those move an order by its `mark_...` methods.
"""
