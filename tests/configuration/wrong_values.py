"""A row for each setting of `.env.example`: wrong values of its kind, and those that only look wrong.

Values with a password or a key have "w0rd" in it, which no sentence may repeat.
"""

from dataclasses import dataclass, field
from typing import Any

KEYS = {"STRIPE_SANDBOX": "0", "STRIPE_SECRET_KEY": "sk_test_a", "STRIPE_PUBLISHABLE_KEY": "pk_test_a"}
EUROS = {**KEYS, "STRIPE_SECRET_KEY_EUR": "sk_test_b", "STRIPE_PUBLISHABLE_KEY_EUR": "pk_test_b"}
LIVE = {"STRIPE_SANDBOX": "0", "STRIPE_SECRET_KEY": "sk_live_a", "STRIPE_PUBLISHABLE_KEY": "pk_live_a"}
MAIL = {"EMAIL_HOST": "smtp.example", "EMAIL_HOST_USER": "shop", "EMAIL_HOST_PASSWORD": "s"}


@dataclass(frozen=True)
class Row:
    """`refused`: values between bars. `corrected`: what becomes of each such value. `by` reads them."""

    refused: str
    corrected: dict[str, Any] = field(default_factory=dict)
    by: tuple[str, ...] = ("shop",)
    beside: dict[str, str] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        return self.refused.split("|")


def number(more: str = "", by: tuple[str, ...] = ("shop",), good: int = 5) -> Row:
    """`more`: what is wrong for this number alone."""
    wrong = "x|-1|1.5|1e3|0x10|１０|ten|10s|1,000|nan|None|²|+1|1 0|" + "9" * 5000
    return Row(f"{wrong}|{more}" if more else wrong, {f" {good} ": good, f"0{good}": good}, by)


def flag(**beside: str) -> Row:
    wrong = "2|maybe|-1|tru|enabled|None|null|1.0|on/off|01|１|yes please"
    return Row(wrong, {" TRUE ": True, "yes": True, "Off": False, "no": False}, beside=beside)


def choice(one: str, other: str) -> Row:
    wrong = f"x|1|true|None|default|auto|-|{one}s|{one},{other}|'{one}'|{one} {other}"
    return Row(wrong, {one.upper(): one, f" {one}": one})


FOLDERS = (
    "/dev/null|/dev/null/data|/etc/passwd|/etc/passwd/data|pyproject.toml|manage.py/data|~nobodyatall/data"
    f"|{'x' * 300}|{'a/' * 3000}|da\nta|da\x1bta|da\udcffta"
)
ADDRESSES = (
    "shop.example|localhost:8420|http://|http://[bad|ftp://shop.example|http://shop.example:port"
    "|http://shop.example:0|http://shop.example:99999|http://shop .example|http://shop.example?x=1"
    "|http://me:passw0rd@shop.example|http://shop..example|http://-shop.example|http://300.1.1.1"
    "|//shop.example|http:///shop|http://shop.example#x|http:shop.example|http://shop.example\n/x"
    "|http://*.shop.example|http://💩.example|http://shop.example,http://other.example"
)
NAMES = (
    "shop.example/shop|my_shop.example|shop..example|-shop.example|shop.example:0|shop.example:port|300.1.1.1"
    "|1.2.3|me:passw0rd@shop.example|shop .example|my shop.example|shop.example?x=1|::zz|shop\n.example"
    f"|💩.example|,|[]|''|shop!.example|{'x' * 64}.example"
)
#: In a .env between quotes; in a person's own alphabet; what a browser's address bar has.
SITES = {
    "HTTPS://Shop.Example:8443/": "https://shop.example:8443",
    '"https://shop.example"': "https://shop.example",
    " https://shop.example ": "https://shop.example",
    "https://shop.example:443": "https://shop.example",
    "http://shop.example:80/": "http://shop.example",
    "https://shop.example.": "https://shop.example",
    "https://müller.example": "https://xn--mller-kva.example",
    "https://МАГАЗИН.рф": "https://xn--80aairftm.xn--p1ai",
    "https://straße.example": "https://xn--strae-oqa.example",
    "http://[0:0::1]:8000": "http://[::1]:8000",
}
HOSTS = {
    "https://shop.example/": ["shop.example"],
    "shop.example:8000, WWW.shop.example": ["shop.example", "www.shop.example"],
    "['shop.example', \"www.shop.example\"]": ["shop.example", "www.shop.example"],
    "[shop.example": ["shop.example"],
    "('shop.example',)": ["shop.example"],
    "['shop.example'],127.0.0.1,web,web2": ["shop.example", "127.0.0.1", "web", "web2"],
    "shop.example www.shop.example": ["shop.example", "www.shop.example"],
    "shop.example;www.shop.example,": ["shop.example", "www.shop.example"],
    "müller.example, магазин.рф": ["xn--mller-kva.example", "xn--80aairftm.xn--p1ai"],
    "::1,['[::1]:8000'],[0:0::1]": ["[::1]"],
    "*.shop.example,.other.example": [".shop.example", ".other.example"],
    "*": ["*"],
    "shop.example.": ["shop.example"],
}
BUDGETS = "20|5/0m|30/10|/10m|-1/m|30/10w|30/m10|x|1.5/m|30:10m|30/10m/1|1/367d|1/999999d|３/m|∞"
SECRET_KEYS = (
    "sk_passw0rd|pk_test_w0rd|whsec_w0rd|w0rd|sk_test_|sk_test_w0rd'|“sk_test_w0rd”|sk_test_w0rd sk_test_x"
    "|SK_TEST_w0rd|sk-test-w0rd|sk_test_w0rd…|sk_test_w0\nrd"
)
PUBLISHABLE_KEYS = (
    "pk_passw0rd|sk_test_w0rd|whsec_w0rd|w0rd|pk_test_|'pk_test_w0rd|rk_test_w0rd|pk_test_w0rd pk_test_x"
    "|PK_TEST_w0rd|pk-test-w0rd|pk_test_ш|pk_live_w0rd|pk_test_w0\nrd"
)
WEBHOOK_SECRETS = (
    "w0rd|whsec_|sk_test_w0rd|we_w0rd|'whsec_w0rd'|\"whsec_w0rd\"|WHSEC_w0rd|whsec-w0rd|whsec_w0rd;whsec_x"
    "|whsec_w0rd whsec_x|whsec_w0rd,x|https://shop.example/w0rd|whsec_w0\nrd"
)
NOT_ASCII = "парольw0rd|pässw0rd|w0\nrd|w0rd\x07|w0rd\udcff|“w0rd”|w0rd…|w0rd–x|w0rd\u200b|店w0rd"

THE_SHOP = {
    "SHOP_NAME": Row(
        "\u200b|\u200e\u200f|\u2800|\u3164|\ufeff|\u00ad|\u2066\u2069|\U000e0020|Ko\npeck|Ko\x07peck|Ko\udcffpeck"
        f"|{'x' * 101}",
        {"  Kopeck ": "Kopeck", "Tee   &  Kaffee": "Tee & Kaffee", "Tee\u00a0Haus": "Tee Haus"},
    ),
    "KEEP_ADDRESSES_DAYS": number("0|36501"),
    "LOW_STOCK": number("-1|1000001"),
    "SELLER_COUNTRY": Row(
        "EU|UK|XX|germany|D|DEU|1|ß|ＤＥ|D E|de-DE|../..|None",
        {"de": "DE", " FR ": "FR"},
    ),
    "SELLER": Row(
        f"\u200b|\u200e\u200f|\u2800|\u3164|\ufeff|\u00ad|\u2066\u2069|Ko\npeck|Ko\x07peck"
        f"|Ko\udcffpeck|{'x' * 251}",
        {"  Kopeck Ltd,   1 Mint Street ": "Kopeck Ltd, 1 Mint Street"},
    ),
    "SELLER_ADDRESS": Row(
        f"\u200b|\u200e\u200f|\u2800|\u3164|\ufeff|\u00ad|\u2066\u2069|1 Mint\nStreet|1 Mint\x07Street"
        f"|1 Mint\udcffStreet|{'x' * 251}",
        {"  1 Mint Street,   Riga ": "1 Mint Street, Riga"},
    ),
    "SELLER_TAX_ID": Row(
        f"\u200b|\u200e\u200f|\u2800|\u3164|\ufeff|\u00ad|\u2066\u2069|LV\n40003|LV\x0740003|LV\udcff4"
        f"|{'x' * 251}",
        {" LV 40003   1": "LV 40003 1"},
    ),
    "CONTACT_EMAIL": Row(
        "the shop|shop@|@shop.example|Shop <shop@shop.example>|a@shop.example, b@shop.example"
        "|shop@my_shop.example|shop@shop.example\nBcc: x@y.example|shop@shop..example|shop @shop.example"
        "|магазин@shop.example",
        {" shop@SHOP.example ": "shop@shop.example"},
    ),
    "TERMS_URL": Row(ADDRESSES, {"https://Shop.example/terms/": "https://shop.example/terms"}),
    "RETURNS_URL": Row(ADDRESSES, {"https://shop.example:443/returns": "https://shop.example/returns"}),
    "PRIVACY_URL": Row(ADDRESSES, {"https://shop.example/a/b": "https://shop.example/a/b"}),
    "SITE_URL": Row(f"{ADDRESSES}|https://my_shop.example|https://shop.example/shop", SITES),
    "ALLOWED_HOSTS": Row(NAMES, HOSTS),
    "TRUSTED_PROXIES": Row(
        "proxy.example|10.0.0.1/8|10.0.0|300.1.1.1|*|http://10.0.0.1|10.0.0.1:80|10.0.0.0/33|::1/129|[::1]"
        "|10.0.0.1 10.0.0.2|['10.0.0.1']|10.0.0.0/-1|10.0.0.1;10.0.0.2",
        {" 10.0.0.1 , 10.0.0.0/8,": ["10.0.0.1/32", "10.0.0.0/8"], "2001:DB8::/32": ["2001:db8::/32"]},
    ),
    "BUDGET_VISITOR": Row(BUDGETS),
    "BUDGET_ADDRESS": Row(BUDGETS),
    "SECRET_KEY": Row(
        "w0rd|changeme|changemew0rd|secret|s|password|0123456789|django-insecure-w0rd|w0\nrd|w0rd\udcff|w0rd\x01",
        beside=LIVE,
    ),
    "STAFF_SECOND_FACTOR": choice("required", "optional"),
    "DEBUG": flag(),
    "API_ORIGINS": Row(
        "app.example|*|null|https://|https://app.example/x|ftp://app.example|https://*.app.example|https://app"
        ".example,|https://me:passw0rd@app.example|https://app.example https://b.example|https://app.example?x"
        "|file:///x|chrome-extension://abc"
    ),
    "WEBHOOKS_TO_PRIVATE_NETWORKS": flag(),
    "TIME_ZONE": Row(
        "Europe/Berln|Europe|../etc/passwd|/etc/localtime|Berlin|+02:00|UTC+2|europe/Berlin/x|2|Москва"
        "|Europe/ Berlin|Europe/Berlin\nUTC|Mitteleuropäische Zeit",
        {" Europe/Berlin ": "Europe/Berlin"},
    ),
    "LOG_LEVEL": Row("loud|5|10|ALL|TRACE|VERBOSE|none|NOTSET|info,debug|'INFO'|django=INFO"),
    "LOG_FORMAT": choice("json", "line"),
    "METRICS_TOKEN": Row(
        "1|yes|true|w0rd|password|Bearer w0rd-w0rd-w0rd|w0rdw0rdw0rd|пароль-пароль-пароль"
        "|a\nlong-enough-w0rd|two words that are long"
    ),
    "SENTRY_DSN": Row(
        "garbage|https://sentry.example/1|https://w0rd@sentry.example/project|https://w0rd@[bad/1"
        "|https://w0rd@sentry.example|https://w0rd@sentry.example:port/1|https://w0rd@sen try.example/1"
        "|ftp://w0rd@sentry.example/1|https://w0rd@/1|w0rd@sentry.example/1|https://w0rd@a..b/1"
    ),
    "SENTRY_TRACES_RATE": Row("1.1|-0.1|nan|inf|10%|0,5|half|x|1/10|true|2"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": Row(ADDRESSES),
    "STATIC_ROOT": Row(f"{FOLDERS}|/nowhere|/tmp|/"),
}
DATA = {
    "DATABASE_URL": Row(
        "nonsense|postgresql://user:pass/w0rd@host/name|postgresql://"
        "|postgresql://user:passw0rd@host:notaport/name|mysql://user:passw0rd@host/name|sqlite://:memory:"
        "|postgresql://user:passw0rd@host|postgresql://user:passw0rd@my host/name|host=db password=w0rd"
        "|postgresql://user:passw0rd@host/name?sslmode=on|postgresql://user:passw0rd@host/name?wrong=1"
        "|postgresql://user:passw0rd@host/name?target_session_attrs=master|postgresql://one:5432,two:x/name"
        "|postgresql://user:passw0rd@host:99999/name|postgresql://user:passw0rd@host/na\nme"
    ),
    "DATABASE_POOL": number("0|1001"),
    "DATA_DIR": Row(FOLDERS, by=("shop", "make run", "containers")),
}
THE_MAIL = {
    "EMAIL_HOST": Row(
        "smtp://smtp.example|smtp.example:587|smtp..example|-smtp.example|300.1.1.1|me@smtp.example"
        f"|smtp .example|smtp.example, other.example|smtp\n.example|https://smtp.example/|💩|{'x' * 64}",
        {
            " SMTP.example. ": "smtp.example",
            "почта.рф": "xn--80a1acny.xn--p1ai",
            "[::1]": "::1",
            "mail_hog": "mail_hog",
        },
    ),
    "EMAIL_PORT": number("0|65536"),
    "EMAIL_HOST_USER": Row(NOT_ASCII, beside=MAIL),
    "EMAIL_HOST_PASSWORD": Row(NOT_ASCII, beside=MAIL),
    "EMAIL_USE_TLS": flag(),
    "EMAIL_USE_SSL": flag(),
    "DEFAULT_FROM_EMAIL": Row(
        "the shop|shop@|@shop.example|shop @shop.example|Shop <shop@shop .example>|shop@my_shop.example|@"
        "|Shop <shop@shop.example|Shop <>|a@shop.example, b@shop.example|shop@shop.example\nBcc: x@y.example"
        "|Shop\r\n<shop@shop.example>|shop@shop@shop.example|магазин@shop.example|shop@shop..example",
        {
            "Shop, Inc <shop@shop.example>": '"Shop, Inc" <shop@shop.example>',
            '"Shop" <shop@SHOP.example>': "Shop <shop@shop.example>",
            "<shop@shop.example>": "shop@shop.example",
            " shop@müller.example ": "shop@xn--mller-kva.example",
        },
    ),
    "EMAIL_BACKEND": Row(
        "smtp|.|.smtp|smtp.|django.core.mail.backends.smtp|django.core.mail.backends.smtp.Email|os.getcwd"
        "|os.PathLike|anymail.backends.pigeon.EmailBackend|django.core.mail.backends.base.x|..x.y|1|:x"
    ),
    "ANYMAIL_POSTMARK_SERVER_TOKEN": Row(NOT_ASCII),
}
STRIPE = {
    "STRIPE_SECRET_KEY": Row(SECRET_KEYS, beside=KEYS),
    "STRIPE_PUBLISHABLE_KEY": Row(PUBLISHABLE_KEYS, beside=KEYS),
    "STRIPE_WEBHOOK_SECRET": Row(WEBHOOK_SECRETS, beside=KEYS),
    "STRIPE_SECRET_KEY_EUR": Row(f"{SECRET_KEYS}|sk_test_a", beside=EUROS),
    "STRIPE_PUBLISHABLE_KEY_EUR": Row(f"{PUBLISHABLE_KEYS}|pk_test_a", beside=EUROS),
    "STRIPE_WEBHOOK_SECRET_EUR": Row(WEBHOOK_SECRETS, beside=EUROS),
    "PAYMENT_FLOW": choice("checkout", "intent"),
    "CHECKOUT_HOSTS": Row(
        f"https://pay.shop.example/x|*|a.example; script-src *|{NAMES}|*.shop.example|.shop.example",
        {
            "https://Pay.shop.example/": ["pay.shop.example"],
            "['pay.shop.example:8443']": ["pay.shop.example:8443"],
        },
    ),
    "STRIPE_TIMEOUT": number("0|301"),
    "STRIPE_RETRIES": number("11"),
    "WEB_THREADS": number("0|1001", by=("shop", "web server")),
    "STRIPE_API_BASE": Row(
        f"{ADDRESSES}|https://api.stripe.com|HTTPS://API.stripe.com:443/",
        {"HTTP://Sandbox:8420//": "http://sandbox:8420", "http://stripe_box": "http://stripe_box"},
    ),
    "STRIPE_JS_URL": Row(
        f"{ADDRESSES}|http://shop.example/v3 /|http://shop.example/;x",
        {"HTTP://Sandbox:8420/v3/": "http://sandbox:8420/v3/", "'http://sandbox/v3'": "http://sandbox/v3"},
    ),
    "STRIPE_SANDBOX": flag(**KEYS),
    "SANDBOX_URL": Row(ADDRESSES, {"http://Sandbox:8420/": "http://sandbox:8420"}),
    "SANDBOX_ALLOWED_HOSTS": Row(
        "sand!box|http://[bad|a..b|.|http://|*|sand box|sandbox\nx|sandbox;other|(sandbox)", by=("sandbox",)
    ),
}
SERVERS = {
    "DOMAIN": Row(
        "https://shop.example|http://shop.example|shop.example/|shop.example:443|*.shop.example|my_shop.example"
        "|shop..example|-shop.example|300.1.1.1|me@shop.example|shop.example:|:443|shop\n.example",
        {"shop.example": "shop.example", "müller.example": "müller.example"},
        by=("containers",),
    ),
    "WEB_WORKERS": number("0|257", by=("web server",)),
    "WORKERS": Row(number("0").refused, by=("containers",)),
    "DRAIN_SECONDS": number("3601", by=("web server",)),
    "SECRETS_DIR": Row(f"{FOLDERS}|/proc/secrets", by=("containers",)),
    "PROMETHEUS_MULTIPROC_DIR": Row(f"{FOLDERS}|/proc/figures", by=("web server",)),
    "HOST": Row(
        f"http://127.0.0.1|127.0.0.1:8000|a..b|{'x' * 64}.example|300.1.1.1|127.0.0.1/8|*|192.0.2.1|[::1"
        "|no host|127.0.0.1, 127.0.0.2|local\nhost|::zz",
        {" 127.0.0.1 ": "127.0.0.1"},
        by=("make run", "web server"),
    ),
    "PORT": number("0|65536|http|:8000|127.0.0.1:8000", by=("make run", "web server"), good=8765),
    "ONE_PORT": Row(flag().refused, flag().corrected, by=("make run",)),
    "DEMO": flag(STRIPE_SANDBOX="1"),
    "DEMO_RESET": Row(
        "3|24:00|25:00|03:60|three|03.00|-1:00|3 o'clock|03:00:00|03:00 UTC|night|0x3:00",
        {" 4:30 ": "4:30:00"},
        by=("demo",),
    ),
    "SANDBOX_PORT": number("0|65536|http", by=("make run",), good=8765),
}
ROWS: dict[str, Row] = {**THE_SHOP, **DATA, **THE_MAIL, **STRIPE, **SERVERS}
#: Docker alone reads these, before anything of ours runs.
OF_DOCKER = {"COMPOSE_FILE", "IMAGE", "DEMO_MEMORY", "WEB_MEMORY", "POSTGRES_MEMORY"}
