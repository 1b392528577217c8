"""The shop's two requests: place an order, and ship one. A real shop would authenticate them."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from . import services
from .models import Order


@csrf_exempt
@require_POST
def place(request: HttpRequest) -> JsonResponse:
    """Take an order from the number in ``to``."""
    return JsonResponse({"order": services.place(request.POST["to"]).pk}, status=201)


@csrf_exempt
@require_POST
def ship(request: HttpRequest, number: int) -> JsonResponse:
    """Ship an order. A second click neither ships nor texts again."""
    get_object_or_404(Order, pk=number)
    services.ship(number)
    return JsonResponse({"order": number})
