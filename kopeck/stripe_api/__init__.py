"""The only room that imports `stripe`: accounts, one client an account, the log of calls.

Owns: Nothing is stored. Plain dicts come in and go out.
Raises StripeUnavailable (ask again) and StripeRefused (Stripe said no), nothing of the library.
"""
