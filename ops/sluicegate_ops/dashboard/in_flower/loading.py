"""Templates inside Flower: our shell, and Flower's own with our tab in its navigation bar."""

from pathlib import Path

import flower.urls
from tornado.template import BaseLoader, Template

FLOWERS = Path(flower.urls.settings["template_path"])
NAVIGATION = "navbar.html"
FIRST_TAB = '<ul class="app-nav navbar-nav">'
"""The list of tabs in Flower's navigation bar, before whose first ours stands."""

CONTROLS = ("worker.html", "task.html")
"""Flower's pages with forms that control workers and tasks: some stall sending without a word."""

CONTENT = "{% block container %}"

_OURS = Path(__file__).parent / "templates"
_TAB = (
    '<li class="nav-item"><a class="nav-link{% if active_tab == \'sluicegate\' %} active{% end %}"'
    " href=\"{{ reverse_url('main') }}\""
    " {% if active_tab == 'sluicegate' %}aria-current=\"true\"{% end %}>Sluicegate</a></li>"
)
_SIGNALS = (
    '{% if active_tab == \'broker\' %}<p class="container-fluid small mb-0 py-2" role="note">These'
    " queues carry signals, which start drains. Messages wait elsewhere: see"
    " <a href=\"{{ reverse_url('main') }}\">Sluicegate</a>.</p>{% end %}"
)


class PagesLoader(BaseLoader):
    """Looks in our folder first, then in Flower's, as ``settings['template_loader']``."""

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        return name

    def _create_template(self, name: str) -> Template:
        ours = _OURS / name
        if name == NAVIGATION:
            text = with_our_tab((FLOWERS / name).read_text(encoding="utf-8"))
        elif name in CONTROLS:
            text = without_controls((FLOWERS / name).read_text(encoding="utf-8"))
        else:
            path = ours if ours.is_file() else FLOWERS / name
            text = path.read_text(encoding="utf-8")
        return Template(text, name=name, loader=self)


def without_controls(page: str) -> str:
    """Flower's page as it shows itself where it may only look."""
    return page.replace(CONTENT, CONTENT + "{% set read_only = True %}", 1)


def with_our_tab(bar: str) -> str:
    """Flower's navigation bar with our tab; without it where Flower has changed the bar."""
    before, found, behind = bar.partition(FIRST_TAB)
    return f"{before}{found}{_TAB}{behind}{_SIGNALS}" if found else bar
