"""A whole deployment on this machine: Valkey, a simulated Telnyx, Celery workers, the front door.

The demo runs on it; the end-to-end tests and ``make chaos`` break it. Everything lives in one
temporary directory and ends with the deployment, even after Ctrl-C
or SIGTERM.
"""

from .deployment import API_KEY, SECRETS, Deployment
from .process import Process, WorkerProcess

__all__ = ["API_KEY", "SECRETS", "Deployment", "Process", "WorkerProcess"]
