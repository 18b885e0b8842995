"""The peer: a django-oscar shop with one product, its own templates, and the settings of its documentation.

It runs in an environment of its own (requirements.txt beside it), so it imports nothing of Kopeck.
`python bench/oscar/shop.py` makes the tables and the product; Granian loads `application`.
"""

import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import include, path
from oscar.defaults import *  # noqa: F403 - the documentation's own way
from psycopg.conninfo import conninfo_to_dict

APPS = (
    "address analytics basket catalogue catalogue.reviews checkout communication customer dashboard "
    "dashboard.catalogue dashboard.communications dashboard.offers dashboard.orders dashboard.pages "
    "dashboard.partners dashboard.ranges dashboard.reports dashboard.reviews dashboard.shipping "
    "dashboard.users dashboard.vouchers offer order partner payment search shipping voucher wishlists"
)
_where = conninfo_to_dict(os.environ["DATABASE_URL"])


def _config(app: str) -> str:
    room, _, name = app.rpartition(".")
    words = [name, room] if room == "dashboard" else [room, name]
    return f"oscar.apps.{app}.apps.{''.join(word.capitalize() for word in words)}Config"


settings.configure(
    **{name: value for name, value in globals().items() if name.startswith("OSCAR_")},
    SECRET_KEY="of this measurement only",
    DEBUG=False,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    SITE_ID=1,
    USE_TZ=True,
    STATIC_URL="/static/",
    MEDIA_ROOT=str(Path(os.environ["DATA_DIR"], "oscar")),
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=[
        *(f"django.contrib.{app}" for app in ("admin", "auth", "contenttypes", "sessions", "messages")),
        *(f"django.contrib.{app}" for app in ("staticfiles", "sites", "flatpages")),
        "oscar.config.Shop",
        *(_config(app) for app in APPS.split()),
        *("widget_tweaks", "haystack", "treebeard", "sorl.thumbnail", "django_tables2"),
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "oscar.apps.basket.middleware.BasketMiddleware",
        "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware",
    ],
    AUTHENTICATION_BACKENDS=[
        "oscar.apps.customer.auth_backends.EmailBackend",
        "django.contrib.auth.backends.ModelBackend",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    *(f"django.template.context_processors.{one}" for one in ("request", "i18n", "media")),
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                    "oscar.apps.search.context_processors.search_form",
                    "oscar.apps.checkout.context_processors.checkout",
                    "oscar.apps.communication.notifications.context_processors.notifications",
                    "oscar.core.context_processors.metadata",
                ]
            },
        }
    ],
    HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _where["dbname"],
            "USER": _where.get("user"),
            "PASSWORD": _where.get("password"),
            "HOST": _where.get("host"),
            "PORT": _where.get("port"),
            "OPTIONS": {"pool": True},
        }
    },
    LOGGING={"version": 1, "root": {"level": "ERROR"}},
)
django.setup()

urlpatterns = [
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include(apps.get_app_config("oscar").urls[0])),
]
application = get_wsgi_application()


def seed() -> None:
    from django.core.management import call_command
    from oscar.apps.catalogue.categories import create_from_breadcrumbs
    from oscar.test.factories import create_product

    call_command("migrate", verbosity=0)
    product = create_product(title="Moka pot", price=48, num_in_stock=1000)
    product.categories.add(create_from_breadcrumbs("Kitchen"))
    print(product.get_absolute_url())


if __name__ == "__main__":
    sys.modules["shop"] = sys.modules[__name__]  # the settings name the addresses by it
    seed()
