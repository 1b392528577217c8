"""What surrounds each page of the desk, and the files that pages load."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from starlette.responses import HTMLResponse, Response
from tornado.template import Loader

from ..dashboard.drawing import STATIC as DASHBOARDS
from ..dashboard.pages import TABS

PREFIX: Final = "/desk"

_HERE = Path(__file__).parent
_LOADER = Loader(str(_HERE / "templates"))
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

FILES: Final[Mapping[str, Path]] = {
    path.name: path
    for folder in (DASHBOARDS, _HERE / "static")
    for path in sorted(folder.iterdir())
    if path.suffix in _KINDS
}
"""The files that pages load, by name; nothing else is ever served."""

VERSION: Final = hashlib.sha256(
    b"".join(path.read_bytes() for path in FILES.values())
).hexdigest()[:12]
"""Changes whenever a file does that browsers keep."""

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def drawn(template: str, **fields: Any) -> str:
    """The HTML of a template of the desk's own."""
    html = _LOADER.load(f"{template}.html").generate(prefix=PREFIX, tabs=TABS, **fields)
    return html.decode()


def page(
    title: str,
    body: str,
    status: int = 200,
    *,
    name: str = "",
    forms: str = "",
    live: bool = False,
) -> Response:
    """A whole page; ``name`` is who has logged in, ``live`` whether it looks again by itself."""
    html = drawn(
        "shell",
        title=title,
        body=body,
        name=name,
        forms=forms,
        live=live,
        files=f"{PREFIX}/files",
        version=VERSION,
    )
    return HTMLResponse(html, status, HEADERS)


def file(name: str) -> Response | None:
    """One of the files that pages load; None where there is none of that name."""
    path = FILES.get(name)
    if path is None:
        return None
    headers = HEADERS | {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(path.read_bytes(), 200, headers, _KINDS[path.suffix])
