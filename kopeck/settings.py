"""Settings: one file, read from the environment and `.env`; unsafe mixes are refused at the start.

Every setting is listed with one line in `.env.example`. A secret may also come from a file named in
NAME_FILE (Docker and systemd credentials). debug, secret_key and allowed_hosts work in lower case too.
"""

import os
import sys
from datetime import timedelta
from email.utils import formataddr
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from dotenv import load_dotenv

from kopeck.abuse.rates import read_rate
from kopeck.catalog import countries
from kopeck.configuration import hosts, languages, values
from kopeck.configuration.env import (
    env,
    env_bool,
    env_choice,
    env_int,
    ignore_netrc,
    read_folder,
    read_or_exit,
    spare_proxies,
)
from kopeck.front.bodies import MOST
from kopeck.stripe_api.accounts import SANDBOX_API_BASE, ConfigurationError, read_accounts
from kopeck.telemetry import tracing

# Lets generic classes of Django (ModelAdmin[Item]) be written with their type at run time.
django_stubs_ext.monkeypatch()

SHORTEST_SECRET_KEY = 32
BASE_DIR = Path(__file__).resolve().parent.parent
try:
    load_dotenv(os.environ.get("ENV_FILE", BASE_DIR / ".env"))
except (OSError, UnicodeDecodeError) as problem:
    sys.exit(f"kopeck: .env can't be read (it should be UTF-8): {problem}.")

DATA_DIR = read_or_exit("DATA_DIR", read_folder, str(BASE_DIR / ".data"))
#: The file in DATA_DIR that `deploy/backup` touches once its archive was read again and found whole.
BACKED_UP = "last-backup"
DEBUG = env_bool("DEBUG")
SHOP_NAME = read_or_exit("SHOP_NAME", values.read_name, "Kopeck")
#: At the foot of every page; what is empty is not there.
SELLER = read_or_exit("SELLER", values.read_seller)
#: On receipts, below who sells.
SELLER_ADDRESS = read_or_exit("SELLER_ADDRESS", values.read_seller)
SELLER_TAX_ID = read_or_exit("SELLER_TAX_ID", values.read_seller)
CONTACT_EMAIL = read_or_exit("CONTACT_EMAIL", values.read_contact)
TERMS_URL = read_or_exit("TERMS_URL", hosts.read_page)
RETURNS_URL = read_or_exit("RETURNS_URL", hosts.read_page)
PRIVACY_URL = read_or_exit("PRIVACY_URL", hosts.read_page)

#: Where the seller is (ISO 3166): who has not said where a purchase goes to is taken to be there.
SELLER_COUNTRY = read_or_exit("SELLER_COUNTRY", countries.read_setting, "US")
#: How long the name, phone and address of a delivery are kept, from when it was paid.
KEEP_ADDRESSES_DAYS = env_int("KEEP_ADDRESSES_DAYS", 365, least=1, most=36500)
#: The desk tells of items on sale of which so many pieces are left, or fewer.
LOW_STOCK = env_int("LOW_STOCK", 3, most=1_000_000)

_key_file = str(DATA_DIR / "secret-key")
SECRET_KEY = env("SECRET_KEY")
if not SECRET_KEY and os.path.exists(_key_file):
    SECRET_KEY = env("SECRET_KEY", of={"SECRET_KEY_FILE": _key_file})
if not SECRET_KEY:
    sys.exit(
        "kopeck: SECRET_KEY is not set: give it a long random string, or start the shop with `make run`."
    )

# Stripe ---------------------------------------------------------------------------------------------
STRIPE_SANDBOX = env_bool("STRIPE_SANDBOX")
#: A shop that anybody may try: kopeck/staff/demo.py.
DEMO = env_bool("DEMO")
if DEMO and not STRIPE_SANDBOX:
    sys.exit(
        "kopeck: DEMO=1 is for the local Stripe alone: set STRIPE_SANDBOX=1 too, and no key of Stripe's."
    )
STRIPE_API_BASE = read_or_exit("STRIPE_API_BASE", hosts.read_base, SANDBOX_API_BASE if STRIPE_SANDBOX else "")
#: Where buyers' browsers find the sandbox (its Checkout page, its Stripe.js).
SANDBOX_URL = read_or_exit("SANDBOX_URL", hosts.read_base, STRIPE_API_BASE) if STRIPE_SANDBOX else ""
STRIPE_JS_URL = read_or_exit(
    "STRIPE_JS_URL",
    hosts.read_script,
    f"{SANDBOX_URL}/v3/" if STRIPE_SANDBOX else "https://js.stripe.com/v3/",
)
#: Where Checkout may be: with a custom domain it is the seller's own host too (Content-Security-Policy).
CHECKOUT_HOSTS = read_or_exit("CHECKOUT_HOSTS", hosts.read_checkout_hosts, "checkout.stripe.com")
#: What Buy does: "checkout" leads to Stripe's page, "intent" to our own with the Payment Element.
PAYMENT_FLOW = env_choice("PAYMENT_FLOW", ("checkout", "intent"), "checkout")
#: Seconds that one request to Stripe may take; it is tried STRIPE_RETRIES more times.
STRIPE_TIMEOUT = env_int("STRIPE_TIMEOUT", 10, least=1, most=300)
STRIPE_RETRIES = env_int("STRIPE_RETRIES", 2, most=10)
#: Threads of a web process. A quarter of them never waits for Stripe: the window answers while Stripe hangs.
WEB_THREADS = env_int("WEB_THREADS", 64, least=1, most=1000)
try:
    STRIPE_ACCOUNTS = read_accounts(
        os.environ,
        env,
        sandbox=STRIPE_SANDBOX,
        debug=DEBUG,
        api_base=STRIPE_API_BASE,
        js_url=STRIPE_JS_URL,
    )
except ConfigurationError as problem:
    sys.exit(f"kopeck: {problem}")

# What is on this machine, and the sandbox wherever it is, is asked directly; Stripe itself may go by a proxy.
spare_proxies(STRIPE_API_BASE if STRIPE_SANDBOX else "")
ignore_netrc()

# Web ------------------------------------------------------------------------------------------------
#: The shop's own address (https://shop.example), used in links that leave the shop; empty: as asked for.
SITE_URL = read_or_exit("SITE_URL", hosts.read_site)
ALLOWED_HOSTS = read_or_exit("ALLOWED_HOSTS", hosts.read_hosts, "localhost,127.0.0.1,[::1]")
if SITE_URL and (_own := hosts.host_of(SITE_URL)) not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(_own)
if _wrong := hosts.contradiction(read_or_exit("DOMAIN", hosts.read_domains), SITE_URL):
    sys.exit(f"kopeck: {_wrong}")
CSRF_TRUSTED_ORIGINS = [SITE_URL] if SITE_URL else []
HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = VISITOR_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
# __Host-: no neighbour on another subdomain, and nobody on plain http, can plant one of these.
_host = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_host}sessionid", f"{_host}csrftoken"
VISITOR_COOKIE_NAME = f"{_host}kopeck_visitor"
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)/?$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
# Not same-origin: the windows that Stripe opens for a bank or a wallet have to find their way back.
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin-allow-popups"
X_FRAME_OPTIONS = "DENY"
#: The proxies whose X-Forwarded-For and -Proto are believed (kopeck/web/proxies.py); nobody else's are read.
TRUSTED_PROXIES = read_or_exit("TRUSTED_PROXIES", values.read_networks)
#: How many new ways to pay and orders one visitor, and one address, may start: "30/10m"; 0 is no limit.
BUDGET_VISITOR = read_or_exit("BUDGET_VISITOR", read_rate, "30/10m")
BUDGET_ADDRESS = read_or_exit("BUDGET_ADDRESS", read_rate, "150/10m")
#: Whether webhooks that go out may be sent to addresses of private networks and of this machine, and by http.
WEBHOOKS_TO_PRIVATE_NETWORKS = env_bool("WEBHOOKS_TO_PRIVATE_NETWORKS")
# An address means the same with and without its slash, answered without a redirect: kopeck.web.
APPEND_SLASH = False
ROOT_URLCONF = "kopeck.urls"
DATA_UPLOAD_MAX_MEMORY_SIZE = MOST
# A cart may name as many items as one likes, and Django stops at 1,000 fields.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

INSTALLED_APPS = [
    "kopeck.web",  # before the admin, whose frame it replaces
    "kopeck.staff.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "kopeck.staff.apps.LogInsConfig",
    "django_otp",
    "kopeck.staff.apps.SecondFactorsConfig",
    "django_otp.plugins.otp_static",
    "kopeck.staff",
    "kopeck.catalog",
    "kopeck.orders",
    "kopeck.abuse",
    "kopeck.mirror",
    "kopeck.payments",
    "kopeck.refunds",
    "kopeck.mail",
    "kopeck.outgoing",
    "kopeck.webhooks",
    "kopeck.reconcile",
    "kopeck.storefront",
    "kopeck.api",
    "kopeck.books",
    "kopeck.backoffice",
    "kopeck.ops",
]
CSRF_FAILURE_VIEW = "kopeck.web.errors.csrf_failed"
MIDDLEWARE = [
    "kopeck.web.proxies.proxies",
    "kopeck.telemetry.logs.Requests",
    "kopeck.web.headers.Policies",
    # Before what answers by itself: files and refusals have it too.
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "kopeck.web.middleware.languages",
    "kopeck.web.middleware.either_slash",
    "kopeck.staff.middleware.Sessions",
    "kopeck.web.middleware.known_hosts",
    "django.middleware.csrf.CsrfViewMiddleware",
    "kopeck.staff.middleware.Users",
    "kopeck.staff.middleware.Tokens",
    "kopeck.staff.middleware.SecondFactors",
    *(["kopeck.staff.demo.OnlyLooks"] if DEMO else []),
    "kopeck.staff.middleware.uploads",
    "kopeck.staff.middleware.Messages",
    "kopeck.web.visitors.visitors",
    "kopeck.web.errors.ErrorPages",
    "axes.middleware.AxesMiddleware",
]
#: Pages of other sites that may use the API with a token (CORS). Our cookie they never send.
CORS_ALLOWED_ORIGINS = read_or_exit("API_ORIGINS", hosts.read_origins)
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key"]
CORS_EXPOSE_HEADERS = ["retry-after", "idempotent-replayed"]
if CORS_ALLOWED_ORIGINS:  # after what writes the log and the policies, before what answers
    MIDDLEWARE.insert(3, "corsheaders.middleware.CorsMiddleware")

# Staff ----------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "kopeck.staff.lockout.Lockout",
    "django.contrib.auth.backends.ModelBackend",
]
# Without a database connection, and few at a time.
PASSWORD_HASHERS = ["kopeck.staff.hashing.Hasher"]
# Five wrong passwords for one name from one address, then a pause that trying does not prolong. How many an
# address may give for all names: kopeck/staff/lockout.py.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "kopeck.staff.lockout.client_address"
AXES_LOCKOUT_CALLABLE = "kopeck.staff.lockout.locked_out"
#: "required": staff set a second factor up before they get in. By itself so as soon as real money moves.
_live = any(account.livemode for account in STRIPE_ACCOUNTS.values())
STAFF_SECOND_FACTOR = env_choice(
    "STAFF_SECOND_FACTOR", ("optional", "required"), "required" if _live else "optional"
)
if _live and len(SECRET_KEY) < SHORTEST_SECRET_KEY:
    sys.exit(f"kopeck: SECRET_KEY should have {SHORTEST_SECRET_KEY} letters or more with live keys.")
OTP_TOTP_ISSUER = SHOP_NAME
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "kopeck.web.context.shop_context",
            ],
        },
    }
]

# Data -----------------------------------------------------------------------------------------------
DATABASES = {"default": read_or_exit("DATABASE_URL", values.read_database, "postgresql:///kopeck")}
# Behind PgBouncer two statements of one transaction are all that is sure to meet the same server.
DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
# A pool, and connections that go back to it: none is held while Stripe is asked, so a few serve many buyers.
DATABASES["default"]["CONN_MAX_AGE"] = 0
DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
    "min_size": 1,
    "max_size": env_int("DATABASE_POOL", 10, least=1, most=1000),
    "timeout": 10,
    # Else a pool waits twice as long after each try, and minutes after a long absence of PostgreSQL.
    "reconnect_timeout": 5,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
#: Where `collectstatic` puts the files of a built image; empty: they are served from where they lie.
_read_root = values.read_static_target if "collectstatic" in sys.argv else values.read_static_root
STATIC_ROOT = read_or_exit("STATIC_ROOT", _read_root)
WHITENOISE_USE_FINDERS = not STATIC_ROOT
if STATIC_ROOT:  # names with a hash of what is in them, which may be kept for ever, and compressed copies
    WHITENOISE_KEEP_ONLY_HASHED_FILES = True
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }
MEDIA_URL = "/media/"
MEDIA_ROOT = DATA_DIR / "media"
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "jobs"
# Jobs that one worker does at once: a long comparison with Stripe must hold up no mail and no sweep.
PROCRASTINATE_WORKER_DEFAULTS = {"concurrency": 4}
PROCRASTINATE_ON_APP_READY = "kopeck.telemetry.logs.watch_jobs"

# Mail -----------------------------------------------------------------------------------------------
EMAIL_HOST = read_or_exit("EMAIL_HOST", hosts.read_mail_host)
#: With no mail server named, mails are files: `make run` shows what it would send.
EMAIL_BACKEND = read_or_exit(
    "EMAIL_BACKEND",
    values.read_backend,
    "django.core.mail.backends.smtp.EmailBackend" if EMAIL_HOST else "kopeck.mail.files.EmailBackend",
)
EMAIL_FILE_PATH = DATA_DIR / "mail"
EMAIL_USE_TLS, EMAIL_USE_SSL = env_bool("EMAIL_USE_TLS"), env_bool("EMAIL_USE_SSL")
EMAIL_PORT = env_int("EMAIL_PORT", 465 if EMAIL_USE_SSL else 587 if EMAIL_USE_TLS else 25, 1, 65535)
EMAIL_HOST_USER = read_or_exit("EMAIL_HOST_USER", values.read_login)
EMAIL_HOST_PASSWORD = read_or_exit("EMAIL_HOST_PASSWORD", values.read_login)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = read_or_exit(
    "DEFAULT_FROM_EMAIL",
    values.read_sender,
    formataddr((SHOP_NAME, f"shop@{urlsplit(SITE_URL).hostname or 'localhost'}")),
)
#: django-anymail's settings, by their names: ANYMAIL_POSTMARK_SERVER_TOKEN or ..._FILE and so on.
ANYMAIL = {
    name.removeprefix("ANYMAIL_"): read_or_exit(name, values.read_anymail)
    for name in {given.removesuffix("_FILE") for given in os.environ if given.startswith("ANYMAIL_")}
}
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    sys.exit("kopeck: EMAIL_USE_TLS and EMAIL_USE_SSL exclude each other: set one of them.")
if bool(EMAIL_HOST_USER) != bool(EMAIL_HOST_PASSWORD):  # Django would not log in at all
    sys.exit("kopeck: EMAIL_HOST_USER and EMAIL_HOST_PASSWORD go together: set both, or neither of them.")
if EMAIL_HOST_USER and not (EMAIL_HOST or env("EMAIL_BACKEND")):
    sys.exit("kopeck: EMAIL_HOST_USER is set, but EMAIL_HOST names no mail server: mails would go to files.")

# Language and time ------------------------------------------------------------------------------------
LANGUAGE_CODE = languages.OWN
FORMAT_MODULE_PATH = "kopeck.formats"
LOCALE_PATHS = [BASE_DIR / "kopeck" / "locale"]
languages.compile_new(LOCALE_PATHS[0])
LANGUAGES = languages.known(LOCALE_PATHS[0])
USE_I18N = USE_TZ = True
TIME_ZONE = read_or_exit("TIME_ZONE", values.read_zone, "UTC")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

DEFAULT_EXCEPTION_REPORTER = "kopeck.telemetry.redaction.Report"
DEFAULT_EXCEPTION_REPORTER_FILTER = "kopeck.telemetry.redaction.ReportFilter"
# With it the stripe library would print its debug log to standard error, past all of the below.
os.environ.pop("STRIPE_LOG", None)

# Logs and metrics -------------------------------------------------------------------------------------
#: "json" for machines, "line" for people.
LOG_FORMAT = env_choice("LOG_FORMAT", ("json", "line"), "line")
#: Who reads /metrics shows it as a bearer token; empty: only this machine reads it, with the sandbox.
METRICS_TOKEN = read_or_exit("METRICS_TOKEN", values.read_token)
#: The standard OTEL_ variables ask for traces besides.
SENTRY_DSN = read_or_exit("SENTRY_DSN", values.read_dsn)
SENTRY_TRACES_RATE = read_or_exit("SENTRY_TRACES_RATE", values.read_share, "0")
read_or_exit("OTEL_EXPORTER_OTLP_ENDPOINT", hosts.read_base)  # the library itself reads it
tracing.start(SENTRY_DSN, SENTRY_TRACES_RATE)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "kopeck.telemetry.logs.JsonLines"},
        "line": {
            "()": "kopeck.telemetry.logs.ReadableLines",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["stderr"], "level": read_or_exit("LOG_LEVEL", values.read_level, "INFO")},
    "loggers": {
        # The stripe library's debug log holds client secrets and addresses of buyers, the database's every
        # value that is written (sessions, second factors): never, whatever LOG_LEVEL says.
        "stripe": {"level": "WARNING"},
        "procrastinate": {"level": "WARNING"},
        "django.db.backends": {"level": "INFO"},
        # Below ERROR it repeats the access line of every 404.
        "django.request": {"level": "ERROR"},
    },
}
