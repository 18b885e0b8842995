"""`stripe-sandbox trigger` and `events resend`: real chains, against a server of the module's own."""

import pytest

from sandbox_testing.own import Own, Receiver, eventually
from stripe_sandbox.__main__ import main
from stripe_sandbox.command import trigger
from stripe_sandbox.command.client import Client


def run(own: Own, *words: str, key: str = "sk_test_triggered") -> int:
    return main([*words, "--url", own.url, "--key", key])


@pytest.mark.parametrize("event", sorted(trigger.EVENTS))
def test_every_event_comes_at_the_end_of_its_chain(own: Own, event: str) -> None:
    client = Client(own.url, f"sk_test_{event.replace('.', '_')}")
    made = trigger.trigger(client, event, {})
    assert event in [one["type"] for one in made]
    ids = {one["data"]["object"].get("id") for one in made}
    assert None not in ids


def test_a_paid_session_has_its_whole_chain(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(own, "trigger", "checkout.session.completed", "--set", "metadata[order]=7") == 0
    told = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert told[-4:] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
    ]
    [session] = Client(own.url, "sk_test_triggered").get("checkout/sessions")["data"]
    assert (session["payment_status"], session["metadata"]) == ("paid", {"order": "7"})


def test_an_event_that_is_not_known_is_refused_with_those_that_are(
    own: Own, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(own, "trigger", "invoice.paid") == 1
    told = capsys.readouterr().err
    assert told.startswith("invoice.paid cannot be triggered. These can: charge.captured, ")


def test_a_parameter_that_stripe_refuses_is_said(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(own, "trigger", "customer.created", "--set", "colour=red") == 1
    assert capsys.readouterr().err == "Received unknown parameter: colour\n"


def test_the_only_account_need_not_be_named(own: Own, capsys: pytest.CaptureFixture[str]) -> None:
    own.control("POST", "reset")
    assert main(["trigger", "customer.created", "--url", own.url]) == 1
    assert "Nobody has asked for anything yet" in capsys.readouterr().err
    Client(own.url, "sk_test_only").post("customers")
    assert main(["trigger", "customer.created", "--url", own.url]) == 0
    assert len(Client(own.url, "sk_test_only").get("customers")["data"]) == 2


def test_nothing_that_answers_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trigger", "customer.created", "--url", "http://127.0.0.1:9", "--key", "sk_test_a"]) == 1
    assert capsys.readouterr().err.startswith("No sandbox answers at http://127.0.0.1:9: ")


def test_an_event_is_sent_again(own: Own, receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    client = Client(own.url, "sk_test_again")
    client.post("webhook_endpoints", url=receiver.url, enabled_events=["customer.created"])
    client.post("customers")
    [event] = client.get("events", type="customer.created")["data"]
    receiver.wait(1)
    eventually(lambda: own.deliveries()[0]["status"] == "succeeded")
    assert run(own, "events", "resend", event["id"]) == 0
    assert f"{receiver.url}  200" in capsys.readouterr().out
    assert len(receiver.received) == 2
    assert run(own, "events", "resend", "evt_nope") == 1
    assert capsys.readouterr().err == "No such event: evt_nope.\n"


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--help"], ["serve", "--help"], ["trigger", "--help"], ["events", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        assert "examples:\n  stripe-sandbox " in capsys.readouterr().out
    assert main(["trigger", "--list"]) == 0
    assert "checkout.session.completed\n" in capsys.readouterr().out
