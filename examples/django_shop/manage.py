"""The shop's command line: a small Django app that texts its customers through Sluicegate.

    export SLUICEGATE_REDIS_URL=redis://127.0.0.1:6379/0
    python manage.py migrate
    python manage.py place_order +15551234567     # prints the order's number
    python manage.py ship_order 1                 # texts the customer, once
    python manage.py text_missed                  # from cron: texts that a crash or an outage left
    gunicorn project.wsgi --preload --workers 4   # POST /orders/ with to=..., /orders/1/ship/

Read shop/services.py first: it is the pattern to copy.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    execute_from_command_line(sys.argv)
