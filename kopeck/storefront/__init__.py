"""What buyers see: shop window, item, order, the ways to pay, and the way back from Stripe.

Owns: Pages and forms, and the contract of `/buy` and `/intent`.
Views read a request, call one function of `payments` or `orders`, and answer.
"""
