"""Where a paid order is sent: what Stripe collected, whether it was sent, and by whom it is carried."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from kopeck.catalog.countries import country_name
from kopeck.orders.signals import order_sent
from kopeck.sentences import Sentence

#: Stripe's parts of an address, as they are stored and shown.
PARTS = ("line1", "line2", "postal_code", "city", "state", "country")
SENT = Sentence("%(by)s marked it as sent.")


class Shipment(models.Model):
    """One for each paid order that is delivered. `forgotten`: when name, phone and address were removed."""

    order = models.OneToOneField(
        "Order", models.CASCADE, related_name="shipment", verbose_name=_("order"), editable=False
    )
    name = models.TextField(_("name"), blank=True)
    phone = models.TextField(_("phone"), blank=True)
    address = models.JSONField(_("address"), default=dict, blank=True)
    carrier = models.CharField(_("carrier"), max_length=100, blank=True)
    number = models.CharField(_("tracking number"), max_length=100, blank=True)
    link = models.URLField(_("tracking link"), max_length=500, blank=True)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    #: All was refunded before it was sent. A refund that fails takes it back.
    called_off = models.BooleanField(_("called off"), default=False, db_default=False, editable=False)
    forgotten = models.DateTimeField(_("address removed"), null=True, blank=True)
    created = models.DateTimeField(_("paid"), auto_now_add=True)

    objects: ClassVar[models.Manager["Shipment"]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("shipment"), _("shipments")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(forgotten=None) | Q(name="", phone="", address={}),
                name="a_forgotten_address_is_gone",
            )
        ]
        indexes = [
            models.Index(
                fields=["created"],
                condition=Q(sent_at__isnull=True, called_off=False),
                name="shipments_to_send",
            ),
            models.Index(fields=["created"], condition=Q(forgotten__isnull=True), name="shipments_by_age"),
            models.Index(OpClass(Upper("name"), "text_pattern_ops"), name="shipments_by_name"),
            models.Index(OpClass(Upper("number"), "text_pattern_ops"), name="shipments_by_tracking_number"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id}"

    @classmethod
    def to(cls, order: Any, said: Mapping[str, Any]) -> "Shipment":
        """Stores where Stripe says that the order goes: `name`, `phone` and `address` of Stripe's objects."""
        address = said.get("address") or {}
        known = {part: _clean(address.get(part)) for part in PARTS if address.get(part)}
        name, phone = _clean(said.get("name")), _clean(said.get("phone"))
        return cls.objects.create(order=order, name=name, phone=phone, address=known)

    @staticmethod
    def forget(shipments: "models.QuerySet[Shipment]") -> int:
        """Removes who gets them, and where; how many there were."""
        return shipments.update(name="", phone="", address={}, forgotten=timezone.now())

    @property
    def country(self) -> str:
        return str(self.address.get("country", "")).upper()

    @property
    def shown(self) -> list[str]:
        """Name, address and phone, a line each."""
        town = " ".join(filter(None, (self.address.get("postal_code"), self.address.get("city"))))
        place = [self.address.get("line1"), self.address.get("line2"), town, self.address.get("state")]
        return [text for text in (self.name, *place, country_name(self.country), self.phone) if text]

    def mark_sent(self, *, by: str) -> None:
        """It is on its way, which is told once. In a transaction that holds the order's row."""
        self.sent_at = timezone.now()
        # No more than that: the address may have been removed since this was read.
        self.save(update_fields=["carrier", "number", "link", "sent_at"])
        self.order.note(SENT(by=by))
        order_sent.send(Shipment, shipment=self)


def may_be_sent(order: Any) -> bool:
    """Whether the goods of this order, whose row is locked, are the buyer's."""
    return order.status in ("paid", "partly_refunded") and not order.sold_out


def _clean(text: object) -> str:
    """As PostgreSQL can keep it."""
    return str(text or "").replace("\0", "").strip()
