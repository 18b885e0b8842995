"""The accountant's statement of a period, which adds up to Stripe's balance to the cent.

Owns: `Statement`. It reads what the rooms below keep, and Stripe's balance transactions.
"""
