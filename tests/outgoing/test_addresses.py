"""Webhooks go to the internet, and to no network that only the shop can reach."""

from typing import Any

import pytest

from kopeck.outgoing.addresses import Refused, Target, read_target, resolve

PRIVATE = [
    "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/", "https://192.168.0.1/",
    "https://172.16.0.9/", "https://169.254.169.254/latest/meta-data", "https://0.0.0.0/",
    "https://100.64.0.1/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[::ffff:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://224.0.0.1/",
    "https://255.255.255.255/", "https://localhost/", "https://2130706433/", "https://0x7f000001/",
    "https://127.1/", "https://[::7f00:1]/", "https://[::ffff:0:7f00:1]/", "https://[64:ff9b:1::7f00:1]/",
    "https://[fec0::1]/", "https://[4000::1]/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
def test_nothing_is_sent_to_a_private_address_however_it_is_written(url: str, settings: Any) -> None:
    with pytest.raises(Refused):
        resolve(read_target(url))
    settings.WEBHOOKS_TO_PRIVATE_NETWORKS = True
    assert read_target(url).is_https


@pytest.mark.parametrize(
    "url",
    ["http://shop.example/", "ftp://shop.example/", "https://", "https:///x", "https://a b/", "//a.example",
     "https://user:pass@shop.example/", "https://shop.example:99999/", "https://[bad/", "javascript:alert(1)",
     "https://shop.example/\r\nX: y", "https://shop.example/é"],
)  # fmt: skip
def test_what_is_no_address_for_webhooks_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(Refused, match=r"\.$"):
        read_target(url)


@pytest.mark.parametrize(
    "url", ["https://1.1.1.1/", "https://[2606:4700::1111]/", "https://[64:ff9b::101:101]/"]
)
def test_addresses_on_the_internet_are_sent_to(url: str) -> None:
    assert resolve(read_target(url))


def test_a_name_of_which_one_address_is_private_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", ("1.1.1.1", 443)), (0, 0, 0, "", ("64:ff9b:1::a01:203", 443, 0, 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *asked, **more: found)
    with pytest.raises(Refused, match="is not on the internet"):
        resolve(read_target("https://hooks.example/"))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example", Target(True, "hooks.example", 443, "/")),
        ("https://hooks.example:8443/a?b=c#d", Target(True, "hooks.example", 8443, "/a?b=c")),
        ("https://bücher.example/%C3%A9", Target(True, "xn--bcher-kva.example", 443, "/%C3%A9")),
        ("http://[2606:4700::1111]/?x", Target(False, "2606:4700::1111", 80, "/?x")),
    ],
)
def test_an_address_is_read_for_what_to_connect_to_and_what_to_ask_for(
    url: str, target: Target, settings: Any
) -> None:
    settings.WEBHOOKS_TO_PRIVATE_NETWORKS = not target.is_https
    assert read_target(url) == target
