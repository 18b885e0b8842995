from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "kopeck.payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        from kopeck.payments import copies_admin, limit_admin, mirror, order_admin, refund_admin  # noqa: F401 - register  # noqa: F401

        mirror.connect()
