"""What the owner sells and edits: items with pictures and stock, discounts, taxes.

Owns: `Item`, `Discount`, `Tax`.
It knows neither orders nor Stripe. `mirror` hears of changes by Django signals.
"""
