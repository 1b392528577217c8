"""The shop's two URLs."""

from django.urls import path
from shop import views

urlpatterns = [
    path("orders/", views.place),
    path("orders/<int:number>/ship/", views.ship),
]
