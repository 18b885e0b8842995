"""What the owner sells and edits: items with pictures and stock, discounts, taxes, shipping rates.

Owns: `Item`, `Discount`, `Tax`, `ShippingRate`.
It knows neither orders nor Stripe. `mirror` hears of changes by Django signals.
"""
