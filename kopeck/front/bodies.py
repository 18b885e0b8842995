"""Bodies of requests before Django sees them: of a length, whole and in time, or refused with a sentence.

The web server starts a request when its head is there, and a client that then sends the body slowly holds a
thread. So a body is read by a thread of its own, three quarters of the web server's threads at most wait for
one, and where there is no room the slowest goes.

A refused body is read to its end too, and thrown away. Else the web server closes the connection over what is
being sent, and the sender, Caddy among them, may lose the answer: a 413 here would be a 502 at the door.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from io import BytesIO
from queue import SimpleQueue
from tempfile import SpooledTemporaryFile
from typing import Any

from kopeck.typed import whole_number

#: Bytes of a body, and of one at an address where staff upload: a picture of 10 MB and its form.
MOST, MOST_UPLOADED = 1024 * 1024, 12 * 1024 * 1024
#: The addresses where staff upload. deploy/caddy/Caddyfile and deploy/kubernetes/ingress.yaml have them too.
UPLOADS = re.compile(r"(?:/[a-z-]{2,10})?/admin/catalog/item/(?:add|import|[0-9]+/change)/?")
#: Bytes that are read of what is refused.
MOST_READ = 16 * 1024 * 1024
#: Seconds for the whole of a body, and of an upload.
PATIENCE, PATIENCE_WITH_UPLOADS = 20.0, 60.0
#: Seconds that anybody has, room or not; and after which one makes room for others.
AT_ONCE, GRACE = 0.2, 1.0
#: Seconds between an answer and hanging up, for what waits to be sent then is lost.
TO_BE_SENT = 0.25
#: Threads that wait for the next body: starting one costs more than reading most bodies.
READERS = 8
_PIECE = 64 * 1024
Work = Callable[[], None]


class Body:
    """One request's body, and `wsgi.input` for Django. `refused` is why it is not taken; "" while it is.

    An upload is fetched only when somebody has looked who sends it (staff/middleware.py), or it is read.
    """

    def __init__(self, source: Any, length: int | None, *, uploads: bool, room: "Room") -> None:
        self.length, self.most = length, MOST_UPLOADED if uploads else MOST
        self.refused = "too_large" if (length or 0) > self.most else ""
        self.read_bytes = 0
        self.fetched = False
        self._source, self._room = source, room
        self._patience = PATIENCE_WITH_UPLOADS if uploads else PATIENCE
        # An upload goes to a file; both are closed with this.
        self._kept: Any = SpooledTemporaryFile(MOST) if uploads else BytesIO()  # noqa: SIM115
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._at_its_end = False

    def fetch(self) -> None:
        """Waits for the body: to its end, to the deadline, or until somebody else needs the room."""
        if self.fetched:
            return
        self.fetched = True
        _readers.do(self._read)
        if not self._over.wait(AT_ONCE):
            if self._room.enter(self):
                self._over.wait(self._patience - AT_ONCE)
                self._room.leave(self)
            else:
                self.refused = self.refused or "crowded"
        with self._lock:
            self._over.set()
            if not self._at_its_end:
                self.refused = self.refused or "too_slow"
            self._kept.seek(0)

    def give_up(self) -> None:
        """Somebody else needs the room."""
        self._over.set()

    @property
    def is_stuck(self) -> bool:
        """Whether a thread still waits for it, which only a piece or the end of the connection ends."""
        return self.fetched and not self._at_its_end

    def _read(self) -> None:
        try:
            self._take()
        except OSError:  # no space is left for the file of an upload
            self.refused = self.refused or "crowded"
        with self._lock:
            self._at_its_end = True
            self._over.set()

    def _take(self) -> None:
        while self.read_bytes < MOST_READ and (piece := self._source.read(_PIECE)):
            with self._lock:
                if self._over.is_set():
                    return
                self.read_bytes += len(piece)
                if self.read_bytes > self.most:
                    self.refused = "too_large"
                if not self.refused:
                    self._kept.write(piece)

    def read(self, size: int = -1) -> bytes:
        """OSError where the body broke off; the web server's own is just too short."""
        self.fetch()
        piece: bytes = self._kept.read(size)
        if self.length is not None and self.read_bytes < self.length and (size < 0 or len(piece) < size):
            raise OSError(f"the body broke off, {self.length - self.read_bytes} bytes before its end")
        return piece

    def readline(self, size: int = -1) -> bytes:
        """Django asks for it and does not use it."""
        self.fetch()
        line: bytes = self._kept.readline(size)
        return line

    @property
    def whole(self) -> bytes | None:
        """All of it, to be looked at before Django reads it; None where it is none, or an upload."""
        is_whole = self.fetched and not self.refused and self.read_bytes == self.length
        return self._kept.getvalue() if is_whole and isinstance(self._kept, BytesIO) else None

    def close(self) -> None:
        self._kept.close()


class Readers:
    """Threads that read bodies, as many as there are bodies. A few of them wait for the next one."""

    def __init__(self) -> None:
        self._idle: deque[SimpleQueue[Work]] = deque()

    def do(self, work: Work) -> None:
        """Does it in a thread, now."""
        try:
            box = self._idle.pop()
        except IndexError:
            box = SimpleQueue()
            threading.Thread(target=self._work, args=(box,), daemon=True).start()
        box.put(work)

    def _work(self, box: "SimpleQueue[Work]") -> None:
        while True:
            box.get()()
            if len(self._idle) >= READERS:
                return
            self._idle.append(box)


_readers = Readers()


class Room:
    """Who waits for a body, the longest first."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._waiting: dict[Body, float] = {}

    def enter(self, body: Body) -> bool:
        """False where there is no room. Who has been waiting longest goes, if that is longer than GRACE."""
        now = time.monotonic()
        with self._lock:
            if len(self._waiting) >= self.size:
                longest, since = next(iter(self._waiting.items()))
                if now - since < GRACE:
                    return False
                del self._waiting[longest]
                longest.give_up()
            self._waiting[body] = now
        return True

    def leave(self, body: Body) -> None:
        with self._lock:
            self._waiting.pop(body, None)


class WholeBodies:
    """Gives the application whole bodies, as "kopeck.body" too: web.ErrorPages looks there what is refused.

    GET and HEAD have none, whatever comes with them.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], *, threads: int) -> None:
        self.application = application
        self.room = Room(max(1, threads * 3 // 4))

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            # Waiting for what means nothing would hold a thread if it is announced and not sent.
            environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            return self.application(environ, start_response)
        length = whole_number(environ.get("CONTENT_LENGTH", ""), 19)
        if not length and not environ.get("HTTP_TRANSFER_ENCODING"):
            return self.application(environ, start_response)
        uploads = UPLOADS.fullmatch(environ["PATH_INFO"]) is not None
        with closing(Body(environ["wsgi.input"], length, uploads=uploads, room=self.room)) as body:
            return self._answer(body, environ, start_response)

    def _answer(self, body: Body, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if body.length is None and not environ.get("CONTENT_TYPE", "").startswith("application/json"):
            body.refused = "length_required"  # half a form would be an order of what had come by then
        if body.refused or (body.length or 0) <= MOST:
            body.fetch()
        environ |= {"wsgi.input": body, "kopeck.body": body}
        if body.length is None:  # Django takes a request without a length for one without a body
            environ["CONTENT_LENGTH"] = str(body.read_bytes)
        said: list[Any] = []
        answer = self.application(environ, lambda *words: said.extend(words))
        if not body.fetched:  # an upload that nobody wanted
            body.refused = "unwanted"
            body.fetch()
        if body.is_stuck:
            answer = HangUp(answer, said)
        start_response(*said)
        return answer


class HangUp:
    """An answer after which the web server closes the connection, though it is still reading the body.

    Granian does so when an answer ends before its Content-Length; an answer that ends well would leave the
    connection, and the thread that reads it, to a client that sends a byte an hour. All of the text is sent.
    """

    def __init__(self, answer: Iterable[bytes], said: list[Any]) -> None:
        self.text = b"".join(answer)
        getattr(answer, "close", lambda: None)()
        kept = [
            (name, value) for name, value in said[1] if name.lower() not in ("content-length", "connection")
        ]
        said[1] = [*kept, ("Content-Length", str(len(self.text) + 1)), ("Connection", "close")]

    def __iter__(self) -> Iterator[bytes]:
        yield self.text
        time.sleep(TO_BE_SENT)

    def close(self) -> None:
        pass
