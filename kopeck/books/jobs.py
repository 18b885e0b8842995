"""The worker makes statements: it may ask Stripe for minutes, with no request and no connection waiting."""

import gzip
import io
import logging

from django.conf import settings
from procrastinate import JobContext
from procrastinate.contrib.django import app

from kopeck.books.models import Statement
from kopeck.books.statement import write
from kopeck.database.retries import backoff
from kopeck.stripe_api.client import StripeRefused, StripeUnavailable
from kopeck.telemetry.redaction import scrub

log = logging.getLogger(__name__)
BACKOFF = backoff()
#: Spreadsheets read UTF-8 where a file begins with this.
BOM = "\ufeff"


@app.task(retry=BACKOFF, pass_context=True)
def make(context: JobContext, statement_id: int) -> None:
    """Makes one that waits. Where Stripe does not tell, it fails with a sentence, and can be made again."""
    statement = Statement.objects.filter(pk=statement_id, status=Statement.Status.WAITING).first()
    if statement is None:
        return
    packed = io.BytesIO()
    try:
        with gzip.open(packed, "wt", encoding="utf-8", newline="") as out:
            out.write(BOM)
            sums = write(statement.since, statement.until, settings.STRIPE_ACCOUNTS, out)
    except (StripeUnavailable, StripeRefused) as trouble:
        log.error("statement %s is not made: %s", statement.pk, trouble)
        statement.finish(Statement.Status.FAILED, problem=str(trouble))
        return
    except Exception as trouble:
        if BACKOFF.get_retry_decision(exception=trouble, job=context.job):
            raise  # the database was away, and it is begun anew
        # Of a defect, too, the owner hears, in place of waiting for ever. The job fails as well.
        said = scrub(f"{type(trouble).__name__}: {trouble}")[:500]
        statement.finish(Statement.Status.FAILED, problem=said)
        raise
    facts = {"rows": sums.rows, "sums": sums.as_json(), "file": packed.getvalue(), "problem": ""}
    statement.finish(Statement.Status.READY, **facts)
