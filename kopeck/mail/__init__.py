"""Mails that are owed to buyers: receipts, refunds, apologies.

Owns: `Mail`: a row for each cause, sent by the worker.
It hears of `order_paid`, `order_sent` and `refund_made` in the transaction that causes them.
"""
