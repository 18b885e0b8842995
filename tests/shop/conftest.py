"""Gives the browser's fixtures to every test of the shop; they start nothing until one asks for them."""

from tests.shop.browsing import browser, context, shop

__all__ = ["browser", "context", "shop"]
