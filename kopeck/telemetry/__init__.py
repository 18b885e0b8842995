"""Logs, metrics and traces, and what must never stand in them.

Owns: Nothing is stored.
Every room may use it; it knows none of them.
"""
