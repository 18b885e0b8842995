"""Checkout Sessions, what they come to, and their hosted page."""
