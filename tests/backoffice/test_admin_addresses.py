"""Addresses of the admin that nobody is led to: an answer for them too, never a traceback."""

import pytest
from django.contrib import admin
from django.db import models
from django.test import Client
from django.urls import reverse

from kopeck.orders.models import Order

pytestmark = pytest.mark.django_db(transaction=True)

#: Field and lookup -> values that no database takes, or no calendar.
ODD = {
    models.CharField: ["__exact=%00", "__in=a%00", "__regex=("],
    models.TextField: ["__icontains=%00"],
    models.DateTimeField: ["__year=99999999", "__year=" + "9" * 30, "__year=0", "__gte=%00", "__exact=%00"],
    models.JSONField: ["__exact=%00"],
    models.GenericIPAddressField: ["__exact=nowhere", "__exact=%00"],
    models.BooleanField: ["__exact=%00"],
    models.PositiveIntegerField: ["__exact=" + "9" * 30, "__exact=%00"],
    models.PositiveBigIntegerField: ["__exact=" + "9" * 30, "__exact=%00"],
}


def address_of(model: type[models.Model], page: str = "changelist") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


@pytest.mark.slow
def test_every_list_has_an_answer_to_a_filter_that_no_database_takes(owner: Client) -> None:
    asked = 0
    for model in admin.site._registry:
        odd = [(field, odd) for field in model._meta.local_fields for odd in ODD.get(type(field), [])]
        for field, lookup in odd:
            address = f"{address_of(model)}?{field.name}{lookup}"
            answer = owner.get(address)
            assert answer.status_code < 500, address
            asked += 1
    assert asked > 100


@pytest.mark.parametrize("odd", ["currency__exact=%00", "created__year=99999999"])
def test_a_filter_that_makes_no_sense_leads_to_the_whole_list(owner: Client, odd: str) -> None:
    answer = owner.get(f"{address_of(Order)}?{odd}")
    assert (answer.status_code, answer["Location"]) == (302, f"{address_of(Order)}?e=1")
    assert owner.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("number", ["%C2%B2", "%D9%A3", "%00", "9" * 30, "9" * 5000, "_00", "x", "-1", "1.5"])
@pytest.mark.parametrize("page", ["change", "history", "delete", "why", "refund"])
def test_an_order_whose_number_is_none_is_not_there(owner: Client, number: str, page: str) -> None:
    answer = owner.get(f"{address_of(Order)}{number}/{page}/")
    assert answer.status_code in (302, 403, 404)
