"""The WSGI application that the web server loads: Django, and what stands in front of it."""

import os

# Before what reads a setting as soon as it is imported.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kopeck.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

# Before what has models: they can be imported when Django knows its apps.
_views = get_wsgi_application()

from kopeck.front.bodies import WholeBodies  # noqa: E402
from kopeck.front.charset import OneCharset  # noqa: E402
from kopeck.front.crowd import Bounded  # noqa: E402
from kopeck.front.kept import KeptPages  # noqa: E402
from kopeck.front.watch import Watch  # noqa: E402
from kopeck.storefront.kept import look, mark, name_of  # noqa: E402
from kopeck.telemetry import tracing  # noqa: E402
from kopeck.webhooks.front import Front  # noqa: E402

_connections = settings.DATABASES["default"]["OPTIONS"]["pool"]["max_size"]
_django = Bounded(OneCharset(Front(_views)), threads=settings.WEB_THREADS, connections=_connections)
_whole = WholeBodies(_django, threads=settings.WEB_THREADS)
application = tracing.wrapped(KeptPages(_whole, named=name_of, watch=Watch(look, mark)))
