"""A stateful local Stripe: API, hosted Checkout, Stripe.js, signed webhooks, test cards, faults."""
