"""Orders: lines, discount, taxes, and their frozen totals.

Owns: `Order`, `OrderLine`, `OrderTax`, `OrderNote`. `pricing` is pure arithmetic.
It knows items, and nothing of payments: those move an order by its `mark_...` methods.
"""
