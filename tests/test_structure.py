"""The order of the modules, the arrows between the packages, names, and how each file begins.

To add a module, put it in ``MODULES`` where it belongs in reading order: it may import what is
listed before it, and the packages that its own may use. A folder counts as one module.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from support.lua_parts import offered, taken
from support.rules import circle, commands, forms_by_hand, nodes_of, parsed, unreasoned

ROOT = Path(__file__).parents[1]
MODULES = {
    "producer/sluicegate": "masking redaction words characters carriers errors private "
    "spreadsheet segments times trace_context message addresses urls revocation rules keys stored "
    "shared_names joining scripts audit config memory safety numbering declared withheld levels "
    "paces webhook_urls optouts caps tracing redis_errors outbox identity receipts archive "
    "campaigns deadlines connections lazy_results client campaign testing transactional",
    "worker/sluicegate_worker": "transport provider retry wire distance queue rendering attempt "
    "operator observe capacity spool schedule alarm pump summary drain sweep finished archiver "
    "beside archiving handing_over reconcile reconciling deafness account_work engine patience "
    "app tasks",
    "ops/sluicegate_ops": "simulator inspect operating notify metrics web dashboard agents desk "
    "cli",
    "ops/rigs/sluicegate_rigs": "embedded deployment demo limits chaos bench",
}
MAY_USE = {
    "sluicegate": set[str](),
    "sluicegate_worker": {"sluicegate"},
    "sluicegate_ops": {"sluicegate", "sluicegate_worker"},
    "sluicegate_rigs": {"sluicegate", "sluicegate_worker", "sluicegate_ops"},
}
TOO_HEAVY_FOR_AN_APP = {"celery", "kombu", "httpx", "httpx_aiohttp", "tenacity", "aiohttp"}
SQL = {"sqlalchemy", "alembic", "psycopg"}  # imported once a database is opened
KNOW_SQL = {"archive", "campaigns/sql_query", "transactional"}
KNOW_CELERY = {"app", "tasks", "patience"}  # the rest of the worker runs without it
ISSUE_COMMANDS = {  # rigs and tests aside, nobody else has a word with Redis
    "sluicegate": "audit scripts optouts outbox archive/reading client testing "
    "campaigns/campaign campaigns/ledger campaigns/exclusion campaigns/members",
    "sluicegate_worker": "operator/listed account_work patience",
}
READS_FOR_PEOPLE = "ops/sluicegate_ops/inspect"
MOST_ISSUERS = 15

ORDER = {ROOT / folder: names.split() for folder, names in MODULES.items()}
SOURCES = sorted(path for folder in ORDER for path in folder.rglob("*.py"))
LUA = sorted(path for folder in ORDER for path in folder.rglob("*.lua"))
AROUND = sorted(path for folder in ("tests", "examples") for path in (ROOT / folder).rglob("*.py"))


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def package_of(path: Path) -> Path:
    return next(folder for folder in ORDER if folder in path.parents)


def module_of(path: Path) -> str:
    """The listed module that a file belongs to; a folder's name, where it lies in one."""
    return path.relative_to(package_of(path)).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every name that a file imports, wherever in it, dotted from its top-level package on."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    here = path.relative_to(package_of(path).parent).parts[:-1]
    for node in nodes_of(text(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


def siblings(path: Path) -> set[str]:
    """What a file imports of its own package, beside its own module.

    ``from . import Sluice`` takes it from ``__init__``, which imports everything: it counts under
    the name ``Sluice``, which no list has, and is refused.
    """
    names = (f"{name}.__init__".split(".") for name in imports(path))
    own = {parts[1] for parts in names if parts[0] == package_of(path).name}
    return own - {module_of(path)}


def allowed_siblings(path: Path) -> set[str]:
    order, module = ORDER[package_of(path)], module_of(path)
    return set(order if module == "__init__" else order[: order.index(module)])


def faults(found: dict[Path, set[str]]) -> dict[str, set[str]]:
    return {str(path.relative_to(ROOT)): names for path, names in found.items() if names}


def test_every_module_is_listed() -> None:
    for folder, order in ORDER.items():
        found = {module_of(path) for path in folder.rglob("*.py")} - {"__init__"}
        assert found == set(order), f"list every module of {folder.name}, in reading order"


def test_a_module_imports_only_modules_listed_before_it() -> None:
    listed = [p for p in SOURCES if module_of(p) in [*ORDER[package_of(p)], "__init__"]]
    assert not faults({path: siblings(path) - allowed_siblings(path) for path in listed})


def test_arrows_between_the_packages_run_one_way() -> None:
    others = {path: roots(path) & set(MAY_USE) - {package_of(path).name} for path in SOURCES}
    assert not faults({p: used - MAY_USE[package_of(p).name] for p, used in others.items()})


def test_the_producer_needs_nothing_heavy() -> None:
    producer = (ROOT / "producer").rglob("*.py")
    assert not faults({path: roots(path) & TOO_HEAVY_FOR_AN_APP for path in producer})


def test_only_archive_queries_and_apps_databases_know_sql() -> None:
    def named(path: Path) -> set[str]:
        return {module_of(path), f"{module_of(path)}/{path.stem}"}

    others = [path for path in SOURCES if not named(path) & KNOW_SQL]
    assert not faults({path: roots(path) & SQL for path in others})


def test_importing_the_producer_is_light() -> None:
    code = """import sluicegate, sluicegate.archive, sluicegate.transactional.django, sys
print(*(name.partition('.')[0] for name in sys.modules))"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(run.stdout.split()) & (TOO_HEAVY_FOR_AN_APP | SQL | {"django"})


def test_only_app_and_tasks_know_celery() -> None:
    unaware = [p for p in (ROOT / "worker").rglob("*.py") if module_of(p) not in KNOW_CELERY]
    assert not faults({path: roots(path) & {"celery", "kombu"} for path in unaware})


def test_only_keys_formats_a_redis_key() -> None:
    # Before a space it is prose: the program's name at the head of what it prints.
    key = re.compile(r"sluicegate:(?!\s).*")
    assert not faults({p: set(key.findall(text(p))) for p in SOURCES if p.name != "keys.py"})


def test_a_python_file_opens_with_one_sentence() -> None:
    opening = re.compile(r'"""(.*?)(?:\n\n|""")', re.DOTALL)
    openings = {path: opening.match(text(path)) for path in SOURCES + AROUND}
    first = {path: found[1].strip() if found else "nothing" for path, found in openings.items()}
    sentence = re.compile(r"[\"'`A-Z0-9].*[.:]", re.DOTALL)
    assert not faults({p: {line} for p, line in first.items() if not sentence.fullmatch(line)})


def test_what_a_lua_part_takes_of_another_is_offered_there() -> None:
    parts = {
        ".".join([*path.relative_to(ROOT).parts[1:-2], path.stem]): text(path) for path in LUA
    }
    takes = {taker: taken(part) for taker, part in parts.items()}
    offers = {(name, offer) for name, part in parts.items() for offer in offered(part)}
    assert len(offers) > 100
    missing = {taker: wanted for taker, found in takes.items() if (wanted := found - offers)}
    assert not missing


def test_a_lua_file_opens_with_its_contract() -> None:
    sentence, contract = re.compile(r"-- [A-Z].*[.:]"), {"KEYS", "ARGV", "Returns"}
    openings = {path: re.match(r"(?:--.*\n)*", text(path)) for path in LUA}
    blocks = {path: opening[0] for path, opening in openings.items() if opening}
    assert not faults({p: contract - set(re.findall(r"\w+", b)) for p, b in blocks.items()})
    assert not faults({p: {b[:99]} for p, b in blocks.items() if not sentence.match(b)})


def test_commands_are_seen_whatever_the_client_is_called() -> None:
    planted = {
        "self._client.hget(key, field)": {"hget"},
        "await site.client.unlink(key)": {"unlink"},
        "read = client.zrange if up else client.zrevrange": {"zrange", "zrevrange"},
        "def f(r: redis.Redis): r.set(key, 1)": {"set"},
        "def f(p: 'redis.client.Pipeline'): p.hmget(key, field)": {"hmget"},
        "with self._redis.pipeline() as pipe: pipe.llen(key)": {"pipeline", "llen"},
        "self._listening_client.blpop([key])": {"blpop"},
        "connection.send_command('GET', key)": {"send_command"},
        "known.get(key); self._plans.set(key); time.time(); self._client.request(url)": set(),
    }
    assert {source: commands(source) for source in planted} == planted


def test_only_a_few_modules_issue_redis_commands() -> None:
    allowed = {
        ROOT / folder / f"{name}.py"
        for folder, package in ((folder, Path(folder).name) for folder in MODULES)
        for name in ISSUE_COMMANDS.get(package, "").split()
    }
    assert len(allowed) <= MOST_ISSUERS
    wing, rigs = ROOT / READS_FOR_PEOPLE, ROOT / "ops/rigs"
    issued = {path: commands(text(path)) for path in SOURCES if rigs not in path.parents}
    outside = {path: names for path, names in issued.items() if wing not in path.parents}
    assert not faults({path: names for path, names in outside.items() if path not in allowed})
    idle = {path for path in allowed if not outside.get(path)}
    assert not idle, "take them off the list: they issue nothing any more"


def test_forms_made_by_hand_are_seen() -> None:
    planted = [
        "ticket.split(b'|', 5)",
        "lane.partition('#')",
        "letter.id.partition('.')",
        "id.startswith(f'{name}.'.encode())",
        "f'{id}|{parts}|SMS||{to}'",
        "f'{lane}#{campaign}'",
        "f'{campaign}.{short}'",
        "f'{app}:{key}'",
        "id.partition(':')",
        "self.lane[3:]",
    ]
    assert [source for source in planted if not forms_by_hand(source)] == []
    innocent = "host.partition('.'); f'{major}.{minor}'; text.split(','); lanes[0]; f'a | {b}'"
    assert not forms_by_hand(innocent)


def test_only_stored_knows_how_texts_are_stored() -> None:
    others = [path for path in SOURCES if module_of(path) != "stored"]
    assert not faults({path: forms_by_hand(text(path)) for path in others})


def test_suppressions_without_a_reason_are_seen() -> None:
    planted = ["x()  # noqa: S310", "x()  # type: ignore[misc]", "x  # pragma: no cover"]
    planted += ["x  # noqa", "-- luacheck: ignore 212"]
    assert unreasoned("\n".join(planted)) == set(planted)
    reasons = ["x()  # noqa: S310 - our own server", "x  # type: ignore[misc] # mypy can't infer"]
    reasons += ["x  # pragma: no cover - only on Windows", "-- luacheck: ignore 212 - by contract"]
    assert not unreasoned("\n".join(reasons))


def test_every_suppression_says_why() -> None:
    here = Path(__file__)
    paths = [path for path in SOURCES + LUA + AROUND if path != here]
    assert not faults({path: unreasoned(text(path)) for path in paths})


def file_of(name: str) -> Path | None:
    """The file of ours that an imported name is in, or is; None where it is not ours."""
    folders = {folder.name: folder for folder in ORDER}
    package, *parts = name.split(".")
    if package not in folders:
        return None
    while True:
        place = folders[package].joinpath(*parts)
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                return path
        parts.pop()


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_file_imports_itself_by_way_of_others() -> None:
    def named(path: Path) -> str:
        return str(path.relative_to(ROOT))

    used = {path: {file_of(name) for name in imports(path)} - {None, path} for path in SOURCES}
    assert not circle({named(p): {named(o) for o in others if o} for p, others in used.items()})


def types_defined(path: Path) -> Iterator[str]:
    """The classes of a file, and its aliases of types: ``Name = ...`` in mixed case."""
    tree = parsed(text(path))
    yield from (node.name for node in nodes_of(text(path)) if isinstance(node, ast.ClassDef))
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if re.fullmatch(r"_?[A-Z]+[a-z]\w*", name))


def doubled(definitions: dict[Path, list[str]]) -> dict[str, set[str]]:
    """Each name that stands in more than one file, and those files."""
    where: dict[str, set[str]] = {}
    for path, names in definitions.items():
        for name in names:
            where.setdefault(name, set()).add(str(path))
    return {name: paths for name, paths in where.items() if len(paths) > 1}


def test_a_type_has_its_name_alone_in_the_whole_tree() -> None:
    assert not doubled({path: list(types_defined(path)) for path in SOURCES})


def test_a_name_that_stands_twice_is_found(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("class Rate:\n    class _Inner: ...\n\nLIMIT = 1\n")
    other.write_text("Rate = float | None\nLIMIT = 2\n")
    found = doubled({path: list(types_defined(path)) for path in (one, other)})
    assert found == {"Rate": {str(one), str(other)}}
