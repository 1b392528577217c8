"""The shop's two requests: place an order, ship one. Real ones would ask who you are."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import services
from .models import Order


@csrf_exempt
@require_POST
def place(request: HttpRequest) -> JsonResponse:
    """Take an order of the number in ``to``."""
    return JsonResponse({"order": services.place(request.POST["to"]).pk}, status=201)


@csrf_exempt
@require_POST
def ship(request: HttpRequest, number: int) -> JsonResponse:
    """Ship an order; a second click ships and texts nothing more."""
    get_object_or_404(Order, pk=number)
    services.ship(number)
    return JsonResponse({"order": number})
