"""Stripe's events: stored once, processed by who knows their object, tried again until done.

Owns: `StripeEvent`, `Cursor` (up to when all are stored), and the endpoints at Stripe that deliver them.
An event is a hint: handlers call the `sync` of payments and refunds, which ask Stripe.
"""
