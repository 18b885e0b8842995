"""`POST /webhooks/stripe/{account}`: Stripe's events."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from kopeck.errors import ShopError
from kopeck.stripe_api.accounts import Account
from kopeck.stripe_api.events import BadEvent, read_event
from kopeck.web.errors import drop_dead_connections
from kopeck.web.visitors import ShopRequest
from kopeck.webhooks import intake
from kopeck.webhooks.front import KEPT
from kopeck.webhooks.models import StripeEvent

log = logging.getLogger(__name__)


@csrf_exempt
@require_POST
def webhook(request: ShopRequest, account_name: str) -> HttpResponse:
    """POST /webhooks/stripe/{account}. 400: not Stripe's; 404: no endpoint; 500: ours, Stripe tries again."""
    account = settings.STRIPE_ACCOUNTS.get(account_name)
    if account is None or not account.webhook_secrets:
        # Without a secret anybody could forge events: the endpoint does not exist until there is one.
        raise ShopError("no_such_endpoint", _("No webhook endpoint is set up here."), status=404)
    kept: StripeEvent | None = request.META.get(KEPT)  # front.py has stored it
    event, body = ({"id": kept.event_id}, b"") if kept else _read(account, request)
    try:
        kept = kept or intake.keep(account_name, event, body, livemode=account.livemode)
        stored = intake.process(kept)
    except Exception:
        log.exception("event %s of account %s failed", event["id"], account_name)
        drop_dead_connections()
        message = _("The event was noted but not processed. Please deliver it again.")
        raise ShopError("event_failed", message, status=500) from None
    return JsonResponse({"status": stored.status})


def _read(account: Account, request: ShopRequest) -> tuple[dict[str, Any], bytes]:
    """The event that Stripe signed, and its bytes. Raises ShopError."""
    try:
        body = request.body
        return read_event(account, body, request.headers.get("Stripe-Signature", "")), body
    except BadEvent as refusal:
        log.warning("webhook of account %s refused: %s", account.name, refusal.message)
        raise ShopError(refusal.code, refusal.message, status=400) from refusal
    except (RequestDataTooBig, UnreadablePostError) as refusal:
        raise ShopError(
            "payload_unreadable", _("The body is too large or broke off."), status=400
        ) from refusal
