"""A whole deployment on this machine: Valkey, a simulated Telnyx, Celery workers, the front door.

The demo plays on it, and the end-to-end tests and ``make chaos`` break it. Everything lives in one
temporary directory and ends with the stage, also after Ctrl-C.
"""

from .deployment import API_KEY, SECRETS, Stage
from .process import Process, Worker

__all__ = ["API_KEY", "SECRETS", "Process", "Stage", "Worker"]
