"""A line to the shop on which answers can be held up: what happens meanwhile is the test's choice."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Line:
    """Requests go through at once. Of those that `hold` names the answers wait until `release`."""

    def __init__(self, shop: str) -> None:
        parts = urlsplit(shop)
        self.target = (str(parts.hostname), int(parts.port or 80))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://{parts.hostname}:{self.listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self._held, self._passing, self._answers = b"", 0, 0
        self._sockets: list[socket.socket] = []

    def hold(self, request: str, *, after: int = 0) -> None:
        """Requests that begin so ("POST /order"): from now on `after` answers come through, and no more."""
        with self._changed:
            self._held, self._passing, self._answers = request.encode(), after, 0

    def release(self) -> None:
        with self._changed:
            self._held = b""
            self._changed.notify_all()

    def wait_for(self, answers: int) -> None:
        """Until the shop has given so many answers since `hold`, held up or not."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._answers >= answers, 30), self._answers

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _address = self.listener.accept()
                server = socket.create_connection(self.target)
                self._sockets += [client, server]
                threading.Thread(target=self._connection, args=(client, server), daemon=True).start()

    def close(self) -> None:
        self.release()
        self.listener.shutdown(socket.SHUT_RDWR)
        for one in [self.listener, *self._sockets]:
            one.close()

    def _connection(self, client: socket.socket, server: socket.socket) -> None:
        """Both directions of one connection, on which a browser asks one thing after the other."""
        asked = [b""]

        def answers() -> None:
            with suppress(OSError):
                while part := server.recv(65536):
                    self._let_through(asked[0], part)
                    client.sendall(part)
            self._end(client, server)

        threading.Thread(target=answers, daemon=True).start()
        with suppress(OSError):
            while part := client.recv(65536):
                if part.split(b" ", 1)[0] in (b"GET", b"POST"):
                    asked[0] = part
                server.sendall(part)
        self._end(client, server)

    def _let_through(self, asked: bytes, part: bytes) -> None:
        with self._changed:
            if not self._held or not asked.startswith(self._held):
                return
            self._answers += part.startswith(b"HTTP/1.1 ")
            number = self._answers
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._held or number <= self._passing, 60)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def slow_line(shop: str) -> Iterator[Line]:
    """A line to the running shop at this address, under another port of the same host."""
    line = Line(shop)
    thread = threading.Thread(target=line.serve)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join()
