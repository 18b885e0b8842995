"""One at a time, where no row exists yet that could be locked."""

from django.db import connection


def one_at_a_time(what: str) -> None:
    """Holds back others with the same words until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [what])
