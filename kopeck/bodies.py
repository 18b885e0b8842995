"""Bodies of requests before Django sees them: with a length, read to their end, refused if they broke off.

Django does not read a body it refuses. The web server then closes the connection over what is still being
sent, and the sender, Caddy among them, may lose the answer: a 413 here would be a 502 at the door.
"""

import tempfile
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

#: Bytes of a body that are read at all: more than the door lets through (12 MB), so that it answers the rest.
MOST_BYTES = 16 * 1024 * 1024
#: Bytes of a body of unknown length that are kept in memory; the others lie in a file until the answer.
IN_MEMORY = 1024 * 1024
_PIECE = 64 * 1024


class WholeBodies:
    """Gives a JSON body of unknown length (chunked) its length, and reads the rest of what was refused.

    GET and HEAD have none, whatever comes with them.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            # Waiting for what means nothing would hold a thread for whoever announces it and sends none.
            environ |= {"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"}
            environ.pop("HTTP_TRANSFER_ENCODING", None)
            return self.application(environ, start_response)
        source, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH", "")
        if length.isdecimal() and int(length):
            environ["wsgi.input"] = _Counted(source, int(length))
        elif environ.get("HTTP_TRANSFER_ENCODING"):
            if environ.get("CONTENT_TYPE", "").startswith("application/json"):
                return self._with_length(environ, start_response)
        else:
            return self.application(environ, start_response)
        answer = self.application(environ, start_response)
        _read(source)
        return answer

    def _with_length(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Django takes a request without a length for one without a body.

        For JSON alone: half of it is refused, and half a form would be an order of what had come by then.
        """
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
            environ["CONTENT_LENGTH"] = str(_read(environ["wsgi.input"], kept))
            kept.seek(0)
            environ["wsgi.input"] = kept
            return self.application(environ, start_response)


class _Counted:
    """A body that raises OSError where it breaks off; the web server's own is just too short."""

    def __init__(self, source: Any, length: int) -> None:
        self.source, self.left = source, length
        self.readline = source.readline  # Django asks for it and does not use it

    def read(self, size: int) -> bytes:
        piece: bytes = self.source.read(size)
        self.left -= len(piece)
        if self.left > 0 and len(piece) < size:
            raise OSError(f"the body broke off, {self.left} bytes before its end")
        return piece


def _read(source: Any, kept: Any = None) -> int:
    """How many bytes were left of `source`, MOST_BYTES and a piece at most."""
    done = 0
    while done < MOST_BYTES and (piece := source.read(_PIECE)):
        done += len(piece)
        if kept is not None:
            kept.write(piece)
    return done
