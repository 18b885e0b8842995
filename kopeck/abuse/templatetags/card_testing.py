"""The card testing attack that is on, for the admin's pages."""

from django import template
from django.utils import timezone

from kopeck.abuse.models import Attack

register = template.Library()


@register.simple_tag
def card_testing() -> Attack | None:
    """The attack on the shop right now; usually there is none."""
    return Attack.objects.filter(ended=None, until__gt=timezone.now()).first()
