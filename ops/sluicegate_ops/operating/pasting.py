"""Words that people paste into a shell, written so that they are there what they look like."""

import shlex


def pasted(text: str) -> str:
    """``text`` as one argument of a shell's line: quoted where a shell would read more into it.

    One that begins with ``-`` would be an option: it stands behind ``--``, so put it last.
    """
    quoted = shlex.quote(text)
    return f"-- {quoted}" if text.startswith("-") else quoted
