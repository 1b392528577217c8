"""The five points of Flower's inside that our pages lean on: an upgrade fails here by name."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import flower.urls
import flower.views
import pytest
from flower.options import default_options

from sluicegate_ops.dashboard.accounts import OpenAccounts
from sluicegate_ops.dashboard.in_flower.handlers import FILES, PageHandler, is_address
from sluicegate_ops.dashboard.in_flower.loading import CONTENT, FIRST_TAB, NAVIGATION
from support.flower_seam import FlowerSeam, broken_points
from support.flowers import LOGIN, Asked, asked, installed

COMMAND = """
import sys
import flower.command
class Stand:
    def __init__(self, **settings):
        import flower.urls
        handler = flower.urls.handlers[0].handler_class.__module__
        print(type(settings["template_loader"]).__name__, handler, flower.command.options.address)
    def start_http_server(self): return 1
    def start(self): pass
    def stop(self): pass
flower.command.Flower = Stand
from celery.bin.celery import main
sys.argv = ["celery", "-A", "sluicegate_worker.app", "-q", "flower", *sys.argv[1:]]
main()
"""


@pytest.fixture(autouse=True)
def _redis(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", redis_url)


SEAM = FlowerSeam.installed()


def template(name: str, gone: str) -> FlowerSeam:
    """Flower with a template in which something has gone."""
    texts = dict(SEAM.templates)
    return SEAM._replace(templates=texts | {name: texts[name].replace(gone, "")})


CHANGES = {
    "runs its configuration too late": (
        1,
        SEAM._replace(command=SEAM.command.replace("apply_options(", "later_options(")),
        "does not run its configuration",
    ),
    "has no option for it": (
        1,
        SEAM._replace(options=[name for name in SEAM.options if name != "conf"]),
        "no option conf",
    ),
    "keeps its handlers otherwise": (2, SEAM._replace(handlers=()), "is no list"),
    "ends its handlers otherwise": (
        2,
        SEAM._replace(handlers=SEAM.handlers[:-1]),
        "does not end with what takes every path",
    ),
    "renames a block": (3, template("base.html", "{% block container %}"), "no block container"),
    "changes its tabs": (3, template(NAVIGATION, FIRST_TAB), "no list of tabs"),
    "changes its controls": (3, template("worker.html", CONTENT), "worker.html has no block"),
    "asks for a login otherwise": (4, SEAM._replace(view=object), "has no get_current_user"),
    "has another API": (4, SEAM._replace(api=object), "another login"),
    "cannot be read-only": (
        4,
        SEAM._replace(options=[name for name in SEAM.options if name != "read_only"]),
        "no option read_only",
    ),
    "runs what blocks otherwise": (5, SEAM._replace(application=""), "no blocking_runner"),
}


def test_the_flower_that_is_pinned_holds_all_five_points() -> None:
    assert broken_points(SEAM) == {}


@pytest.mark.parametrize("change", CHANGES)
def test_a_flower_that_changes_is_told_by_the_point_alone(change: str) -> None:
    point, seam, said = CHANGES[change]
    broken = broken_points(seam)
    assert list(broken) == [point]
    assert said in broken[point]


def test_point_1_flower_runs_its_configuration_before_it_builds_its_application(
    tmp_path: Path,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", COMMAND],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    handler = "sluicegate_ops.dashboard.in_flower.handlers"
    assert run.stdout.split() == ["PagesLoader", handler, "127.0.0.1"], run.stderr


def test_point_2_handlers_are_a_plain_list_that_keeps_keywords_under_a_prefix() -> None:
    with installed(url_prefix="ops"):
        page, files = asked("/ops/campaigns", f"/ops{FILES}/dashboard.js")
    assert (page.status, files.status) == (200, 200)
    assert 'href="/ops/campaigns"' in page.body
    assert f'src="/ops{FILES}/dashboard.js' in page.body


def test_point_3_templates_come_from_our_loader_and_keep_their_blocks() -> None:
    with installed():
        ours, theirs = asked("/", "/workers")
    for page in (ours, theirs):
        assert page.body.index(">Sluicegate</a>") < page.body.index(">Workers</a>")


def test_point_4_pages_ask_for_the_login_that_flower_asks_for() -> None:
    assert issubclass(PageHandler, flower.views.BaseHandler)
    assert default_options.read_only is False
    with installed(basic_auth=[LOGIN]):
        nobody, wrong, ada = asked("/", Asked("/", login="ada:no"), Asked("/", login=LOGIN))
    assert (nobody.status, wrong.status, ada.status) == (401, 401, 200)
    assert "waiting" not in nobody.body


@pytest.mark.parametrize(
    ("host", "by_address"),
    [
        *[(host, True) for host in ("127.0.0.1:5555", "localhost", "[::1]:5555", "192.0.2.7")],
        *[
            (host, False)
            for host in ("evil.example:5555", "127.0.0.1.evil.example", "localhost.x")
        ],
    ],
)
def test_without_a_login_a_page_is_opened_by_address_alone(host: str, by_address: bool) -> None:
    assert is_address(host) is by_address


def test_no_other_site_reads_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", "true")  # Flower opens itself to every site
    renamed = (("Host", "evil.example"),)
    with installed():
        page, evil, theirs = asked("/", Asked("/?as=json", headers=renamed), "/workers")
    assert page.status == 200
    assert "Access-Control-Allow-Origin" in theirs.headers
    assert "Access-Control-Allow-Origin" not in page.headers
    assert evil.status == 403
    assert "waiting" not in evil.body
    with installed(basic_auth=[LOGIN]):
        [named] = asked(Asked("/", login=LOGIN, headers=renamed))
    assert named.status == 200


def test_point_5_redis_is_asked_beside_the_loop() -> None:
    threads = set[int]()

    class Watched(OpenAccounts):
        @property
        def names(self) -> list[str]:
            threads.add(threading.get_ident())
            return super().names

    with installed(Watched()):
        assert asked("/")[0].status == 200
    assert threads
    assert threading.get_ident() not in threads


def test_an_address_that_is_named_stays() -> None:
    with installed(address="192.0.2.1"):
        assert default_options.address == "192.0.2.1"
    with installed():
        assert default_options.address == "127.0.0.1"
