"""One POST to the address that was checked: no redirect is followed, and no proxy asked."""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress

from kopeck.outgoing.addresses import Target

#: Seconds for the connection and for each piece of the answer, and for all of it.
EACH, WHOLE = 10.0, 20.0


def post(target: Target, address: str, body: bytes, headers: Mapping[str, str]) -> int:
    """The status of the answer, whose body is not read. Raises OSError, HTTPException.

    `address`: of the target's host, as `addresses.resolve` has found and checked it.
    """
    connection = http.client.HTTPConnection(target.host, target.port)
    # Some servers know their name only without the port that goes without saying.
    connection.default_port = 443 if target.is_https else 80
    connection.sock = _connect(target, address)
    # An answer that comes letter by letter would keep within EACH for ever.
    clock = threading.Timer(WHOLE, _hang_up, [connection.sock])
    clock.daemon = True
    clock.start()
    try:
        connection.request("POST", target.path, body, dict(headers))
        return connection.getresponse().status
    finally:
        clock.cancel()
        connection.close()


def _connect(target: Target, address: str) -> socket.socket:
    raw = socket.create_connection((address, target.port), timeout=EACH)
    if not target.is_https:
        return raw
    try:
        # The certificate is the name's, whatever address it has.
        return ssl.create_default_context().wrap_socket(raw, server_hostname=target.host)
    except BaseException:
        raw.close()
        raise


def _hang_up(connected: socket.socket) -> None:
    with suppress(OSError):  # it may have ended by itself
        connected.shutdown(socket.SHUT_RDWR)
