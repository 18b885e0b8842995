"""After migrations the shop's groups are made.

Django makes permissions app by app: with the last app all of them are there.
"""

from typing import Any

from django.apps import apps
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from kopeck.staff.groups import make_groups

_LAST = list(apps.get_app_configs())[-1]


@receiver(post_migrate, sender=_LAST, dispatch_uid="the shop's groups")
def give(sender: Any, **more: Any) -> None:
    make_groups()
