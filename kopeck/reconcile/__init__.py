"""Stripe and the shop compared both ways, repaired where that is safe, else told.

Owns: `Run`, `Discrepancy`.
One loop over kinds of objects (`compare.KINDS`). Every repair goes through the `sync` of payments, refunds
and mirror, as a webhook's or a job's does.
"""
