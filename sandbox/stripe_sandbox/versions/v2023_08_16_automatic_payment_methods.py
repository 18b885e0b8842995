"""2023-08-16: intents take whatever the Dashboard allows, redirects included, where nothing is asked for.

Until then that meant cards alone, and no `return_url` was needed to confirm one.
"""

from __future__ import annotations

from stripe_sandbox.versions.change import Change, Params


def _cards(params: Params) -> None:
    if not params.keys() & {"payment_method_types", "automatic_payment_methods"}:
        params["payment_method_types"] = {"0": "card"}


CHANGE = Change("2023-08-16", up={"POST /v1/payment_intents": _cards, "POST /v1/setup_intents": _cards})
