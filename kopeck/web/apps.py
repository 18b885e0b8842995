from django.apps import AppConfig
from django.contrib.postgres.indexes import OpClass
from django.db.models.expressions import OrderBy
from django.db.models.functions import Collate
from django.db.models.indexes import IndexExpression
from django.utils.translation import gettext_lazy as _


class WebConfig(AppConfig):
    name = "kopeck.web"
    verbose_name = _("Web")

    def ready(self) -> None:
        # All that the shop needs of django.contrib.postgres, which asks two questions at each new connection.
        IndexExpression.register_wrappers(OrderBy, OpClass, Collate)
