"""Refunds, asked for here or at Stripe, and disputes.

Owns: `Refund`, `Dispute`. `request` asks Stripe, `sync` writes what Stripe says; `review` says
which payments need a decision. `allocation` is pure arithmetic. Mail hears of refunds by `signals`.
"""
