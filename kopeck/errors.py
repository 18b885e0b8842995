"""What the shop says when something cannot be done: a code for programs and a sentence for people."""


class ShopError(Exception):
    """Refuses a request. `code` is stable, `message` is a translated sentence that a buyer understands.

    `retry_after`: seconds after which another try makes sense.
    """

    def __init__(self, code: str, message: str, *, status: int, retry_after: int = 0) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, str(message), status
        self.retry_after = retry_after or (10 if status == 503 else 0)


def in_a_line(problem: Exception) -> str:
    """What a library says of it, for a report; its name where it says nothing."""
    return " ".join(str(problem).split()) or type(problem).__name__
