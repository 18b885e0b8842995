"""The WSGI application that the web server loads."""

import codecs
import os
import re
from typing import Any

from django.core.wsgi import get_wsgi_application

from kopeck import tracing
from kopeck.bodies import WholeBodies

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";]*)\"?", re.IGNORECASE)


def _known_text(charset: str) -> bool:
    try:
        return bool(codecs.lookup(charset)._is_text_encoding) and charset.lower() != "undefined"
    except (LookupError, ValueError):
        return True  # Django passes over what Python does not know


class TextOnly:
    """Drops a `charset` that is no text encoding (base64, rot13) from the request's Content-Type.

    Django decodes the query with it while it makes the request, before any middleware or error page.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        charset = _CHARSET.search(environ.get("CONTENT_TYPE", ""))
        if charset and not _known_text(charset[1]):
            environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
        return self.application(environ, start_response)


application = tracing.wrapped(WholeBodies(TextOnly(get_wsgi_application())))
