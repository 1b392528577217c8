"""How much a test does: enough by default, and all that it can in ``make test-all``."""

import os

THOROUGH = os.environ.get("SLUICEGATE_TEST_PROFILE") == "thorough"


def size(quick: int, thorough: int) -> int:
    """So many rows, kills or seconds: the same test, longer where there is time."""
    return thorough if THOROUGH else quick
