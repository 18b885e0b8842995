"""Paying an order: attempts, Checkout Sessions and Payment Intents, and what Stripe says of them.

Owns: `Payment`, the stock and the discount uses that live payments hold.
`attempts` makes ways to pay, `sync` learns the truth. What happened is told upward by `signals`.
"""
