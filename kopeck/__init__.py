"""The shop: rooms that import downward only (docs/architecture.md)."""

__version__ = "0.1.0"
