"""`make chaos BUYS=1000 SEED=1`: buyers, a seller and a hostile world; then Stripe's ledger against the shop.

The shop's own programs run as in production; only their clock is ours (clock.py). docs/reliability.md.
"""
