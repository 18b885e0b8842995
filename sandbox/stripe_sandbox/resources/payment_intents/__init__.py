"""PaymentIntents, and how money is taken with them: at once by card, later by direct debit."""
