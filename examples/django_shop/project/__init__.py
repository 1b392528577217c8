"""The Django project around the shop: settings, URLs and the WSGI entry."""
