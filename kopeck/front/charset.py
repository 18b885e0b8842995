"""One charset for every request: UTF-8."""

import codecs
import re
from typing import Any

from django.utils.http import parse_header_parameters

FORM = "application/x-www-form-urlencoded"


class OneCharset:
    """Takes the `charset` out of a request's Content-Type, and one that Django cannot read altogether.

    Django decodes the query with it while it makes the request, before any middleware or error page: with
    punycode or idna, or too many fields, that ends in an empty 500. Here everything is UTF-8; a form that
    says it is something else is marked with "kopeck.charset", for web.ErrorPages to refuse.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if ";" in environ.get("CONTENT_TYPE", ""):
            try:
                kind, said = parse_header_parameters(environ["CONTENT_TYPE"])
            except (ValueError, LookupError, TypeError):
                kind, said = "", {"charset": ""}
            if "charset" in said:
                # Built anew: what is left when a part is cut out may read as another charset.
                boundary = said.get("boundary", "")
                environ["CONTENT_TYPE"] = f"{kind}; boundary={boundary}" if _is_boundary(boundary) else kind
                if kind == FORM and not _is_utf8(said["charset"]):
                    environ["kopeck.charset"] = said["charset"]
        return self.application(environ, start_response)


def _is_boundary(text: str) -> bool:
    return re.fullmatch(r"[\w'()+.:=?-]{1,70}", text, re.ASCII) is not None


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name == "utf-8"
    except (LookupError, ValueError):
        return True  # what nobody knows is passed over, as Django does
