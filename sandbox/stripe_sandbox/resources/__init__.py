"""Stripe's resources, a file each: what the API does with them."""
