"""LibreOffice, if it is installed: opens a CSV file as a person does, and saves it again."""

import shutil
import subprocess
from pathlib import Path

import pytest

_CHARSETS = {"utf-8": 76, "cp1252": 1}


def saved(path: Path, delimiter: str, encoding: str, times: int = 2) -> Path:
    """The file as LibreOffice has it after it was opened and saved so many times.

    It recognises dates, formulas and all kinds of numbers. The test is skipped without it.
    """
    if not (soffice := shutil.which("soffice")):
        pytest.skip("LibreOffice (soffice) is not installed")
    charset = _CHARSETS[encoding.removesuffix("-sig")]
    form = f"Text - txt - csv (StarCalc):{ord(delimiter)},34,{charset},1,,0,false,true"
    folder = path.parent / "office"
    program = [soffice, "--headless", f"-env:UserInstallation=file://{folder}/profile"]
    for number in range(times):
        out = ["--outdir", f"{folder}/{number}"]
        sheet = f"{folder}/{number}/{path.stem}.xlsx"
        for command in (
            ["--convert-to", "xlsx", f"--infilter={form}", str(path), *out],
            ["--convert-to", f"csv:{form},false", sheet, *out],
        ):
            subprocess.run([*program, *command], check=True, timeout=200, capture_output=True)
        path = folder / str(number) / path.name
    return path
