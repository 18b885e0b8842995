"""What the shop's groups were given once (groups.py): it is not given again to an owner who took it away."""

from typing import ClassVar

from django.db import models


class Grant(models.Model):
    """`permission` as "catalog.change_item"; `group` as the shop calls it, whatever the owner does to it."""

    group = models.CharField(max_length=150)
    permission = models.CharField(max_length=255)

    objects: ClassVar[models.Manager["Grant"]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "permission"], name="a_grant_is_given_once")]

    def __str__(self) -> str:
        return f"{self.group}: {self.permission}"
