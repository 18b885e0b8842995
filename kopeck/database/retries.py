"""PostgreSQL restarts, and a job that it broke off is tried again: nothing is wrong with the job."""

from django.db import InterfaceError, OperationalError
from procrastinate import RetryStrategy

#: What Django raises where the database does not answer.
AWAY = (OperationalError, InterfaceError)


def backoff(*also: type[Exception], tries: int = 5) -> RetryStrategy:
    """Again after 4, 16, 64 ... seconds where PostgreSQL was away, and after these errors too."""
    return RetryStrategy(max_attempts=tries, exponential_wait=4, retry_exceptions=(*also, *AWAY))
