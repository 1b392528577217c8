"""The shop's command line: a small Django app that texts its customers through Sluicegate.

    python manage.py migrate                      # also Sluicegate's table
    python manage.py place_order +15551234567     # prints the order's number
    python manage.py ship_order 1                 # texts the customer, once
    sluicegate relay                              # hands the texts over; so do workers
    gunicorn project.wsgi --preload --workers 4   # POST /orders/ with to=..., /orders/1/ship/

For the last, name the database in sluicegate.toml:

    [databases.shop]
    url = "sqlite:///shop.sqlite3"

Read shop/services.py first: it is the pattern to copy.
"""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    execute_from_command_line(sys.argv)
