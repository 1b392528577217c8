"""Flower's inside, as far as our pages lean on it, and the five points that must hold of it."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import flower
import flower.app
import flower.command
import flower.urls
import flower.views
from flower.api import BaseApiHandler
from flower.options import default_options

from sluicegate_ops.dashboard.in_flower.loading import (
    CONTENT,
    CONTROLS,
    FIRST_TAB,
    FLOWERS,
    NAVIGATION,
)

BLOCKS = ("title", "navbar", "container", "extra_scripts")
VIEW = ("get_current_user", "check_xsrf_cookie", "set_default_headers", "prepare", "render")
OPTIONS = ("conf", "address", "unix_socket", "url_prefix", "basic_auth", "auth", "read_only")


class FlowerSeam(NamedTuple):
    """What Flower is like: its command and application as source, its templates by name."""

    command: str
    handlers: Any
    settings: Mapping[str, Any]
    templates: Mapping[str, str]
    view: type
    api: type
    options: Sequence[str]
    application: str

    @classmethod
    def installed(cls) -> "FlowerSeam":
        """The Flower that is installed here, without our pages."""
        names = ("base.html", NAVIGATION, *CONTROLS)
        return cls(
            command=inspect.getsource(flower.command.flower.callback),
            handlers=list(flower.urls.handlers),
            settings=dict(flower.urls.settings),
            templates={name: (FLOWERS / name).read_text(encoding="utf-8") for name in names},
            view=flower.views.BaseHandler,
            api=BaseApiHandler,
            options=[name.replace("-", "_") for name in default_options._options],
            application=inspect.getsource(flower.app.Flower.__init__),
        )


def broken_points(seam: FlowerSeam) -> dict[int, str]:
    """The points that do not hold any more, each with what is missing."""
    points = (_configuration, _handlers, _templates, _login, _beside)
    found = ((number, next(point(seam), "")) for number, point in enumerate(points, 1))
    return {number: missing for number, missing in found if missing}


def _configuration(seam: FlowerSeam) -> Iterator[str]:
    steps = ("apply_env_options(", "apply_options(", "Flower(")
    places = [seam.command.find(step) for step in steps]
    if -1 in places or places != sorted(places):
        yield "the command does not run its configuration before it builds its application"
    if "conf" not in seam.options:
        yield "there is no option conf, which names our configuration"


def _handlers(seam: FlowerSeam) -> Iterator[str]:
    if not isinstance(seam.handlers, list):
        yield "flower.urls.handlers is no list, before whose first entry our pages stand"
    elif not isinstance(seam.handlers[-1], tuple) or seam.handlers[-1][0] != ".*":
        yield "flower.urls.handlers does not end with what takes every path"


def _templates(seam: FlowerSeam) -> Iterator[str]:
    for block in BLOCKS:
        if f"{{% block {block} %}}" not in seam.templates["base.html"]:
            yield f"base.html has no block {block}"
    if seam.templates[NAVIGATION].count(FIRST_TAB) != 1:
        yield f"{NAVIGATION} has no list of tabs, before whose first ours stands"
    for name in CONTROLS:
        if CONTENT not in seam.templates[name]:
            yield f"{name} has no block in which its controls are taken away"


def _login(seam: FlowerSeam) -> Iterator[str]:
    for name in VIEW:
        if not hasattr(seam.view, name):
            yield f"flower.views.BaseHandler has no {name}"
    if not issubclass(seam.api, seam.view):
        yield "flower.api.BaseApiHandler is no BaseHandler, so it asks for another login"
    for name in OPTIONS[1:]:
        if name not in seam.options:
            yield f"there is no option {name}"


def _beside(seam: FlowerSeam) -> Iterator[str]:
    if "self.blocking_runner = " not in seam.application:
        yield "the application has no blocking_runner, by which Redis is asked beside the loop"
