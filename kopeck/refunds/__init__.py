"""Refunds, whoever asked for them, and disputes.

Owns: `Refund`, `Dispute`. `allocation` (which line a refund is of) is pure arithmetic.
`request` asks Stripe, `sync` writes what it says. Mail hears of it by `signals`.
"""
