"""What a kind of objects has to say to be compared, and how those are compared that Stripe lists by time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from kopeck.reconcile.models import Discrepancy, Run
from kopeck.sentences import Sentence
from kopeck.stripe_api import listing
from kopeck.stripe_api.client import StripeRefused, gateway

#: How what was found ends, after a semicolon.
NOW_IT_IS = Sentence("now it is %(status)s.")
IT_IS_NOW = Sentence("it is %(status)s now.")
HERE_TOO = Sentence("here as well now.")
#: Read again each time: longer than a session can be paid, and than clocks differ.
OVERLAP = timedelta(hours=3)
#: Stripe's lists are read in stretches of so much, the oldest first: one that was read whole is done.
STRETCH = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: From when until before when objects were made; None: open at the end.
Stretch = tuple[datetime, datetime | None]


class Kind(ABC):
    """One kind of objects. Every method may raise StripeUnavailable and StripeRefused."""

    #: As `Run.kind` has it.
    name: ClassVar[str]
    #: What is older does not change any more: how far back the nightly comparison goes.
    age: ClassVar[timedelta] = timedelta(days=30)

    def stretches(self, begin: datetime, first: datetime, now: datetime) -> list[Stretch]:
        """How the time since `begin` is read; before `first` there is nothing of ours, or not much."""
        return [(begin, None)]

    @abstractmethod
    def compare(self, run: Run, since: datetime, until: datetime | None) -> datetime | None:
        """Compares a stretch, and repairs what is safe; when the newest object was made."""

    def finish(self, run: Run, begin: datetime) -> None:
        """Compares what the stretches have not shown, and should have."""
        return

    def step(self, since: datetime) -> str:
        """What is being done, for who waits."""
        return f"every {self.name.replace('_', ' ')}"


class Listed(Kind):
    """Objects that Stripe lists by the time of their making."""

    def stretches(self, begin: datetime, first: datetime, now: datetime) -> list[Stretch]:
        found: list[Stretch] = []
        start = begin
        if start < first <= now - STRETCH - OVERLAP:
            found.append((start, first))
            start = first
        while start > EPOCH and start + STRETCH <= now - OVERLAP:
            found.append((start, start + STRETCH))
            start += STRETCH
        return [*found, (start, None)]

    def step(self, since: datetime) -> str:
        return f"{self.name}s since {since:%Y-%m-%d}"

    def compare(self, run: Run, since: datetime, until: datetime | None) -> datetime | None:
        newest = 0
        for objects, _has_more in listing.pages(run.account, self.name, since, until):
            newest = max([newest, *(now["created"] for now in objects)])
            self.check(run, objects)
        return datetime.fromtimestamp(newest, UTC) if newest else None

    def check(self, run: Run, objects: list[dict[str, Any]]) -> None:
        """Compares some objects as a list has shown them."""
        ours = self.ours(run.account, objects)
        for now in reversed(objects):  # the oldest first
            with run.at(now["id"]):
                self.check_one(run, ours.get(now["id"]), now)

    def finish(self, run: Run, begin: datetime) -> None:
        # However old: a discrepancy is gone when it was looked for, and not when it is out of the window.
        known = Discrepancy.objects.filter(account=run.account, kind=self.name, gone=None)
        ids = {*self.unseen(run.account, begin), *known.values_list("object_id", flat=True)}
        for stripe_id in sorted(ids - run.seen):
            if "_" in stripe_id:
                self.retrieve(run, stripe_id)

    def retrieve(self, run: Run, stripe_id: str) -> None:
        """Compares one object that no list has shown."""
        try:
            now = gateway(run.account).retrieve(self.name, stripe_id)
        except StripeRefused as refusal:
            if not refusal.missing:
                raise
            with run.at(stripe_id):
                self.missing(run, stripe_id)
        else:
            self.check(run, [now])

    @abstractmethod
    def ours(self, account: str, objects: list[dict[str, Any]]) -> Mapping[str, Any]:
        """Our rows of these objects, by Stripe's id."""

    @abstractmethod
    def check_one(self, run: Run, row: Any, now: dict[str, Any]) -> None:
        """Compares one object with our row of it, None where there is none."""

    @abstractmethod
    def unseen(self, account: str, begin: datetime) -> Iterable[str]:
        """Stripe's ids of what the lists since `begin` should have shown, and of what is open at any age."""

    @abstractmethod
    def missing(self, run: Run, stripe_id: str) -> None:
        """Stripe knows no such object."""
