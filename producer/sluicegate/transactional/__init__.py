"""Enqueueing in the app's own transaction: a row beside the app's rows, handed over after COMMIT.

``sqlalchemy``, ``django`` and ``psycopg`` each have an ``enqueue`` that writes the row, and
``relay`` hands it over to Redis: in a worker, or in ``sluicegate relay``. Nothing here imports a
database's library before one of these is used.
"""

from .handover import TABLE, Handover

__all__ = ["TABLE", "Handover"]
