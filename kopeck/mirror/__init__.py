"""Discounts and taxes in every Stripe account, as coupons and tax rates.

Owns: `StripeMirror`: what the shop has at Stripe.
It follows the catalog by Django signals and jobs. Payments ask it for ids.
"""
