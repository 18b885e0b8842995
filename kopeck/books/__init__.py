"""The accountant's statements, which add up to Stripe's balance, and the removal of a buyer's data.

Owns: `Statement`. It reads what the rooms below keep, and Stripe's balance transactions. `forget` takes a
buyer's data out of their rows and leaves every sum, tax and number.
"""
