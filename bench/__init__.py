"""Measurements of the whole: real processes, a real PostgreSQL, the local Stripe. `make chaos`."""
