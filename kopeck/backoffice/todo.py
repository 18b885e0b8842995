"""What waits for the seller: a sentence each, until when, and one button. Only what this user may see.

Each question finds its few rows by an index and counts no further than MANY.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kopeck.catalog.models import Item
from kopeck.mail.models import Mail
from kopeck.mirror.models import StripeMirror
from kopeck.orders.shipment import Shipment
from kopeck.outgoing.models import Delivery
from kopeck.payments.models import MONEY_BACK, Payment
from kopeck.reconcile.compare import MIRRORED
from kopeck.reconcile.models import Discrepancy
from kopeck.refunds.models import Dispute, Refund
from kopeck.webhooks.models import StripeEvent

#: More are told as so many.
MANY = 100
#: What failed longer ago is not told any more; what needs review is compared as long (ops/metrics_page.py).
RECENT, REVIEWED = timedelta(days=14), timedelta(days=92)
#: A backup is made every night.
BACKUP_AGE = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class ToDo:
    """`level` is the name of a sign (admin.css). `by`: the deadline. `since`: when it began."""

    level: str
    sentence: str
    button: str
    url: str
    by: datetime | None = None
    since: datetime | None = None


def to_do(request: HttpRequest) -> list[ToDo]:
    """What presses most comes first."""
    questions: tuple[tuple[str, Callable[[], Iterator[ToDo]]], ...] = (
        ("refunds.view_dispute", _disputes),
        ("payments.view_payment", _reviews),
        ("orders.view_shipment", _parcels),
        ("mail.view_mail", _mails),
        ("webhooks.view_stripeevent", _events),
        ("outgoing.view_delivery", _deliveries),
        ("reconcile.view_discrepancy", _discrepancies),
        ("mirror.view_stripemirror", _mirrored),
        ("catalog.view_item", _stock),
    )
    found = [one for right, ask in questions if request.user.has_perm(right) for one in ask()]
    return found + (list(_backup()) if request.user.is_superuser else [])


def _list(model: type[Model], **query: str) -> str:
    facts = model._meta
    address = reverse(f"admin:{facts.app_label}_{facts.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address


def _few(rows: QuerySet[Any], *names: str) -> list[Any]:
    """The first rows, no more than MANY."""
    return list(rows.values_list(*names)[:MANY])


def _disputes() -> Iterator[ToDo]:
    open_ones = Dispute.objects.filter(closed=None, status__in=Dispute.TO_DO).order_by("due_by")
    if rows := _few(open_ones, "order", "due_by"):
        said = ngettext(
            "The bank of a buyer disputes a payment and waits for your answer.",
            "The banks of buyers dispute %(n)s payments and wait for your answers.",
            len(rows),
        )
        url = reverse("admin:orders_order_change", args=[rows[0][0]]) if len(rows) == 1 else _list(Dispute)
        yield ToDo("bad", said % {"n": len(rows)}, _("Answer"), url, by=rows[0][1])


def _reviews() -> Iterator[ToDo]:
    back = Refund.objects.filter(payment=OuterRef("pk"), status__in=MONEY_BACK)
    held = Payment.objects.filter(
        ~Exists(back), status=Payment.Status.NEEDS_REVIEW, created__gt=timezone.now() - REVIEWED
    )
    if rows := _few(held.order_by("created"), "order", "created"):
        said = ngettext(
            "A payment needs your review: Stripe has money that belongs to no order.",
            "%(n)s payments need your review: Stripe has money that belongs to no order.",
            len(rows),
        )
        url = reverse("admin:orders_order_why", args=[rows[0][0]])
        if len(rows) > 1:
            url = _list(Payment, status__exact=Payment.Status.NEEDS_REVIEW)
        yield ToDo("bad", said % {"n": len(rows)}, _("Review"), url, since=rows[0][1])


def _parcels() -> Iterator[ToDo]:
    unsent = Shipment.objects.filter(sent_at=None, called_off=False).order_by("created")
    if rows := _few(unsent, "created"):
        said = ngettext("%(n)s order is to be sent.", "%(n)s orders are to be sent.", len(rows))
        url = reverse("admin:orders_order_changelist") + "?show=to_send"
        yield ToDo("wait", said % {"n": _number(rows)}, _("Send"), url, since=rows[0][0])


def _mails() -> Iterator[ToDo]:
    failed = Mail.objects.filter(status=Mail.Status.FAILED).order_by("-pk")
    if rows := [row for row in _few(failed, "created") if row[0] > timezone.now() - RECENT]:
        said = ngettext(
            "%(n)s mail to a buyer could not be sent.", "%(n)s mails to buyers could not be sent.", len(rows)
        )
        url = _list(Mail, status__exact=Mail.Status.FAILED)
        yield ToDo("bad", said % {"n": _number(rows)}, _("See why"), url, since=rows[-1][0])


def _events() -> Iterator[ToDo]:
    failed = StripeEvent.objects.filter(status=StripeEvent.Status.FAILED).order_by("received")
    if rows := _few(failed, "received"):
        said = ngettext(
            "%(n)s event of Stripe’s could not be processed. It is tried again every minute.",
            "%(n)s events of Stripe’s could not be processed. They are tried again every minute.",
            len(rows),
        )
        url = _list(StripeEvent, to_do="failed")
        yield ToDo("bad", said % {"n": _number(rows)}, _("See why"), url, since=rows[0][0])


def _deliveries() -> Iterator[ToDo]:
    failed = Delivery.objects.filter(status=Delivery.Status.FAILED).order_by("-pk")
    if rows := [row for row in _few(failed, "created") if row[0] > timezone.now() - RECENT]:
        said = ngettext(
            "A program did not take %(n)s event of this shop.",
            "Programs did not take %(n)s events of this shop.",
            len(rows),
        )
        url = _list(Delivery, status__exact=Delivery.Status.FAILED)
        yield ToDo("bad", said % {"n": _number(rows)}, _("See why"), url, since=rows[-1][0])


def _discrepancies() -> Iterator[ToDo]:
    left = Discrepancy.objects.filter(gone=None).order_by("first_seen")
    if rows := _few(left.exclude(kind__in=MIRRORED), "first_seen"):
        said = ngettext(
            "Stripe and the shop differ in %(n)s thing that only you can decide.",
            "Stripe and the shop differ in %(n)s things that only you can decide.",
            len(rows),
        )
        yield ToDo("bad", said % {"n": _number(rows)}, _("Decide"), _list(Discrepancy), since=rows[0][0])


def _mirrored() -> Iterator[ToDo]:
    rows = _few(StripeMirror.objects.exclude(problem="").order_by("updated"), "updated")
    rows += _few(Discrepancy.objects.filter(gone=None, kind__in=MIRRORED), "first_seen")
    if rows:
        said = ngettext(
            "%(n)s discount or tax is not at Stripe as it is here.",
            "%(n)s discounts or taxes are not at Stripe as they are here.",
            len(rows),
        )
        url = _list(StripeMirror, failed="yes")
        since = min(row[0] for row in rows)
        yield ToDo("wait", said % {"n": _number(rows)}, _("See why"), url, since=since)


def _stock() -> Iterator[ToDo]:
    low = Item.objects.filter(active=True, stock__lte=settings.LOW_STOCK).order_by("stock", "pk")
    if rows := _few(low, "pk", "name", "stock"):
        if len(rows) == 1:
            number, name, left = rows[0]
            url = reverse("admin:catalog_item_change", args=[number])
            some = ngettext(
                "“%(item)s”: %(left)s piece is left.", "“%(item)s”: %(left)s pieces are left.", left
            )
            said = (some if left else _("“%(item)s” is sold out.")) % {"item": name, "left": left}
        else:
            url = _list(Item, stock__lte=str(settings.LOW_STOCK), active__exact="1")
            said = _("%(n)s items have %(left)s pieces left or fewer.") % {
                "n": _number(rows),
                "left": settings.LOW_STOCK,
            }
        yield ToDo("wait", said, _("Restock"), url)


def _backup() -> Iterator[ToDo]:
    """Real money alone: the data of a sandbox are made anew."""
    if settings.STRIPE_SANDBOX:
        return
    home, made = reverse("admin:index"), 0.0
    with suppress(OSError):
        made = (settings.DATA_DIR / settings.BACKED_UP).stat().st_mtime
    if not made:
        said = _("There is no backup yet. Run deploy/backup on the server every night.")
        yield ToDo("bad", said, _("Look again"), home)
    elif time.time() - made > BACKUP_AGE.total_seconds():
        since = datetime.fromtimestamp(made, timezone.get_current_timezone())
        said = _("The last backup is old. Run deploy/backup on the server every night.")
        yield ToDo("bad", said, _("Look again"), home, since=since)


def _number(rows: list[Any]) -> str:
    return f"{MANY - 1}+" if len(rows) >= MANY else str(len(rows))
