"""What Stripe counts and checks, pure: currencies, amounts, test cards, countries, discounts, taxes."""
