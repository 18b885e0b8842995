"""The addresses of `bench.pages`: a view that does nothing, once as a page and once as where machines ask."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse("nothing")


urlpatterns = [path("nothing/here", nothing), path("healthz", nothing)]
