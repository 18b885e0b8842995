"""The shop's settings as the tests need them: nothing of the developer's own environment counts."""

import os
import tempfile

for name in [
    name
    for name in os.environ
    if name.startswith(("STRIPE_", "EMAIL_", "ANYMAIL_")) and not name.startswith("STRIPE_TEST_")
]:
    del os.environ[name]
os.environ |= {
    "ENV_FILE": os.devnull,
    "SECRET_KEY": "only-for-tests",
    "STRIPE_SANDBOX": "1",
    "STRIPE_WEBHOOK_SECRET": "whsec_tests,whsec_tests_before",
    "STRIPE_TIMEOUT": "15",
    "STRIPE_RETRIES": "0",
    "DATABASE_POOL": "20",
    "SITE_URL": "",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
    "LOG_LEVEL": "CRITICAL",
    "BUDGET_VISITOR": "0",
    "BUDGET_ADDRESS": "0",
    "WEB_THREADS": "1000",
}
os.environ.setdefault("DATA_DIR", os.path.join(tempfile.gettempdir(), "kopeck-tests"))

from kopeck.settings import *  # noqa: E402, F403

# Wrong passwords count where that is tested.
AXES_ENABLED = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Static files are looked for when they are asked for: each Client would else go through all of them first.
WHITENOISE_AUTOREFRESH = True
