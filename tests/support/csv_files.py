"""Files of recipients that a test writes."""

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[bytes | str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one file of recipients; text is written in UTF-8."""

    def written(content: bytes | str) -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written
