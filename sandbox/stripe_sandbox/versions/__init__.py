"""Older versions of Stripe's API: a file a change, each translating requests up and answers down."""
