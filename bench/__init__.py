"""Measurements of the whole: real processes, a real PostgreSQL, the local Stripe. `make chaos`."""

from kopeck.configuration.env import spare_proxies

spare_proxies()  # all of it is on this machine
