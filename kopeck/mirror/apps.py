from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MirrorConfig(AppConfig):
    name = "kopeck.mirror"
    verbose_name = _("Discounts and taxes at Stripe")
