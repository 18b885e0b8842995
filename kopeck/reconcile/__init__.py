"""Stripe and the shop compared both ways, repaired where that is safe, else told.

Owns: `Run`, `Cursor`, `Difference`.
Every repair goes through the `sync` of payments and refunds, as a webhook does.
"""
