"""The groups that the shop comes with: made after migrations, and from then on the owner's.

Each permission is given once, a new one with the version that brings it. What the owner takes away does not
come back, nor does a group that was deleted or renamed. What no line below names is for admins alone.
"""

from django.contrib.auth.models import Group, Permission
from django.db import connection, transaction

from kopeck.staff.models import Grant

_CATALOG = ("item", "discount", "tax", "shippingrate")
_MONEY = ("orders.order", "payments.payment", "refunds.refund", "refunds.dispute")
_SELLER = {
    **{f"catalog.{name}": "view add change delete" for name in _CATALOG},
    "orders.order": "view change",
    "orders.shipment": "view change",
    "books.statement": "view add",
    "payments.payment": "view",
    "refunds.refund": "view add",
    "refunds.dispute": "view",
    "mail.mail": "view change",
    "webhooks.stripeevent": "view",
    "mirror.stripemirror": "view",
    "reconcile.discrepancy": "view",
    "reconcile.run": "view",
    "abuse.attack": "view",
    "abuse.decline": "view",
}
_SUPPORT = {
    **dict.fromkeys(_MONEY, "view"),
    **{f"catalog.{name}": "view" for name in _CATALOG},
    "orders.order": "view change",
    "orders.shipment": "view",
    "mail.mail": "view change",
}
_ACCOUNTANT = {
    **dict.fromkeys(_MONEY, "view"),
    **{f"catalog.{name}": "view" for name in _CATALOG},
    "reconcile.discrepancy": "view",
    "reconcile.run": "view",
    "books.statement": "view add delete",
    "admin.logentry": "view",
}
#: Group -> model -> what may be done with it, in Django's words; "*" is all there is.
GROUPS: dict[str, dict[str, str]] = {
    "Seller": _SELLER,
    "Support": _SUPPORT,
    "Accountant": _ACCOUNTANT,
    "Admin": {"*": "*"},
}


def make_groups() -> None:
    """After migrations: gives what was not given before. Does nothing while the tables are not there."""
    tables = {Grant._meta.db_table, Group._meta.db_table}
    if not tables <= set(connection.introspection.table_names()):
        return
    permissions = list(Permission.objects.select_related("content_type"))
    with transaction.atomic():
        for name, may in GROUPS.items():
            _give(name, {_label(one): one for one in permissions if _is_granted(may, one)})


def _give(name: str, wanted: dict[str, Permission]) -> None:
    given = set(Grant.objects.filter(group=name).values_list("permission", flat=True))
    new = sorted(wanted.keys() - given)
    if not new:
        return
    Grant.objects.bulk_create([Grant(group=name, permission=label) for label in new])
    # A group that had something once, and is not there: its owner has deleted or renamed it.
    group = Group.objects.filter(name=name).first() if given else Group.objects.get_or_create(name=name)[0]
    if group is not None:
        group.permissions.add(*(wanted[label] for label in new))


def _label(permission: Permission) -> str:
    return f"{permission.content_type.app_label}.{permission.codename}"


def _is_granted(may: dict[str, str], permission: Permission) -> bool:
    if "*" in may:
        return True
    model = permission.content_type
    word, _, of = permission.codename.partition("_")
    return of == model.model and word in may.get(f"{model.app_label}.{model.model}", "").split()
