"""What a Content-Type says of its text, at the very application that the web server loads.

Django's test client starts behind it.
"""

import io
import warnings
from encodings.aliases import aliases
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from tests.support.shop import make_item

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"
MORE = (
    "idna",
    "punycode",
    "undefined",
    "unicode_escape",
    "raw_unicode_escape",
    "utf-7",
    "nonsense",
    "a\0b",
    "",
)
CHARSETS = sorted({*aliases, *aliases.values(), *MORE})


def ask(
    content_type: str, *, method: str = "GET", path: str = "/healthz", query: str = "", body: bytes = b""
) -> tuple[int, str]:
    """The status, and the text."""
    from kopeck.wsgi import application

    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "HTTP_HOST": "localhost"}
    environ |= {
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    statuses: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of codecs about odd escapes
        said = b"".join(application(environ, lambda status, headers, error=None: statuses.append(status)))
    return int(statuses[0][:3]), said.decode()


@pytest.mark.parametrize("query", ["%ff&q=%fe", "a=1", "&" * 12_000])
def test_no_charset_stops_django_from_reading_a_request(query: str) -> None:
    answers = {ask(f"text/plain; charset={charset}", query=query)[0] for charset in CHARSETS}
    assert answers == {200}


def test_no_charset_of_a_form_breaks_the_shop() -> None:
    item, part = make_item(), b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n-\xff\r\n--b--\r\n'
    name = f"item_{item.pk}"
    bodies = {FORM: f"{name}=%ff-".encode(), "multipart/form-data; boundary=b": part % name.encode()}
    found = {
        (kind, charset, status)
        for kind, body in bodies.items()
        for charset in CHARSETS
        if (status := ask(f"{kind}; charset={charset}", method="POST", path="/order", body=body)[0]) != 400
    }
    assert {status for *_, status in found} <= {422}


@pytest.mark.parametrize(
    ("charset", "status"),
    [("utf-8", 303), ("UTF8", 303), ('"utf-8"', 303), ("nonsense", 303), ("latin-1", 400), ("utf-16", 400)],
)
def test_a_form_is_read_as_utf_8_or_refused(charset: str, status: int) -> None:
    body = f"item_{make_item().pk}=1".encode()
    answered, text = ask(f"{FORM}; charset={charset}", method="POST", path="/order", body=body)
    assert answered == status
    assert ("A form has to be sent as UTF-8." in text) == (status == 400)


@pytest.mark.parametrize("charset", ["utf-8", "latin-1", "idna"])
def test_json_is_read_as_utf_8_whatever_it_says(charset: str) -> None:
    body = b'{"lines": [{"item": %d, "quantity": 1}]}' % make_item().pk
    kind = f"application/json; charset={charset}"
    assert ask(kind, method="POST", path="/api/v1/orders", query="a=%ff", body=body)[0] == 201


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain; charset*=utf-8''punycode",
        'text/plain; CHARSET="punycode"',
        'text/plain; cha;charset="x"rset=punycode',
        "text/plain; charset=a; charset=punycode",
        "text/plain; a*=nonsense''%41",
        "text/plain; a*0*=x; a*x*=''; a*=punycode''%ff",
        "text/plain; a*=punycode''%ff-%fe-",
        ";" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_way_of_writing_it_gets_past(kind: str, method: str) -> None:
    assert ask(kind, method=method, query="a=1&b=%ff")[0] == (200 if method == "GET" else 405)
