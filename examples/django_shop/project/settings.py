"""The minimum that Django needs for the shop; SHOP_SENDER and one app are about Sluicegate.

The shop itself needs no Redis: the relay reads SLUICEGATE_REDIS_URL and sluicegate.toml.
"""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).parents[1]

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY") or get_random_secret_key()
ALLOWED_HOSTS = os.environ.get("DJANGO_ALLOWED_HOSTS", "localhost 127.0.0.1").split()
INSTALLED_APPS = ["shop", "sluicegate.transactional.django"]
ROOT_URLCONF = "project.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", BASE_DIR / "shop.sqlite3"),
    }
}

# The number that customers see.
SHOP_SENDER = os.environ.get("SHOP_SENDER", "+15557654321")
