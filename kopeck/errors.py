"""What the shop says when something cannot be done: a code for programs and a sentence for people."""


class ShopError(Exception):
    """Refuses a request. `code` is stable, `message` is a translated sentence that a buyer understands."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, str(message), status
