"""Webhooks that go out: other programs are told what happened to orders.

Owns: `Endpoint`, and `Delivery`: a row for each event and endpoint, sent by the worker.
It hears of `order_paid`, `order_sent`, `refund_made` and `dispute_changed` as they happen.
"""
