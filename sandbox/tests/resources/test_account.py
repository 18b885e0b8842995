"""Whose keys these are."""

from __future__ import annotations

import pytest
import stripe

from sandbox_testing.own import own_sandbox


def test_keys_with_one_tail_are_one_account_and_other_tails_are_others() -> None:
    with own_sandbox() as own:
        mine = own.client.v1.accounts.retrieve_current()
        assert mine.id.startswith("acct_")
        assert mine.charges_enabled
        assert mine.settings.dashboard.display_name == "Local sandbox"
        assert own.client_of(own.tail).v1.accounts.retrieve_current().id == mine.id
        assert own.client_of("other").v1.accounts.retrieve_current().id != mine.id


def test_an_account_is_found_by_its_id_and_has_no_connected_ones() -> None:
    with own_sandbox() as own:
        accounts = own.client.v1.accounts
        mine = accounts.retrieve_current().id
        assert accounts.retrieve(mine).id == mine
        assert accounts.list().data == []
        with pytest.raises(stripe.PermissionError) as caught:
            accounts.retrieve("acct_somebodyelse")
        assert caught.value.json_body["error"]["code"] == "account_invalid"  # type: ignore[index]
