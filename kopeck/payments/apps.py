from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PaymentsConfig(AppConfig):
    name = "kopeck.payments"
    verbose_name = _("Payments")

    def ready(self) -> None:
        from kopeck.payments import (  # noqa: F401 - the admins register themselves
            copies_admin,
            findings_admin,
            limit_admin,
            mail_admin,
            mirror,
            order_admin,
            refund_admin,
        )

        mirror.connect()
