"""How a script is joined from its parts."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate.joining import joined, read
from sluicegate.scripts import Script

ROOT = Path(__file__).parents[2]
PARTS = sorted(
    ".".join([*path.relative_to(ROOT).parts[1:-2], path.stem])
    for folder in ("producer", "worker", "ops")
    for path in (ROOT / folder).rglob("lua/*.lua")
)


def reader(**parts: str) -> Callable[[str], str]:
    """Read parts of a package ``p`` from these texts."""

    def read(name: str) -> str:
        if name not in texts:
            raise ValueError(f"there is no Lua part {name!r}")
        return texts[name]

    texts = {f"p.{name}": text for name, text in parts.items()}
    return read


def run(store: redis.Redis, script: str) -> Any:
    client: Any = store
    return client.eval(script, 1, "{p}:")


def test_a_part_is_joined_once_and_after_what_it_uses(store: redis.Redis) -> None:
    bottom = "redis.call('INCR', KEYS[1] .. 'joined') return { name = 'bottom' }"
    over = "local bottom = part('p.bottom') return { name = bottom.name .. ' %s' }"
    script = joined(
        "p.script",
        reader(
            script="return { part('p.left').name, part('p.right').name, part('p.bottom').name }",
            left=over % "left",
            right=over % "right",
            bottom=bottom,
        ),
    )
    assert run(store, script) == [b"bottom left", b"bottom right", b"bottom"]
    assert store.get("{p}:joined") == b"1"


def test_only_what_is_used_is_joined() -> None:
    script = joined(
        "p.script",
        reader(
            script="-- Not part('p.other').\nreturn 1 -- nor later('p.other')", other="return {}"
        ),
    )
    assert "-- p.other" not in script


def test_what_parts_offer_at_the_end_is_called_once_the_script_has_its_answer(
    store: redis.Redis,
) -> None:
    keeps = """\
        local value = 'nothing'
        return {
          keep = function(text) value = text end,
          at_end = function() redis.call('SET', KEYS[1] .. 'kept', value) end,
        }"""
    script = "local keeps = part('p.keeps') keeps.keep('this') do return 'answer' end"
    assert run(store, joined("p.script", reader(script=script, keeps=keeps))) == b"answer"
    assert store.get("{p}:kept") == b"this"


LOW = "redis.call('RPUSH', KEYS[1] .. 'made', 'low') return { name = 'low' }"


def test_a_late_part_is_made_once_and_only_when_it_is_asked_for(store: redis.Redis) -> None:
    late = """
        local low = part('p.low')
        redis.call('RPUSH', KEYS[1] .. 'made', 'late')
        return {
          low = low, at_end = function() redis.call('RPUSH', KEYS[1] .. 'made', 'end') end,
        }"""
    script = (
        "local late = later('p.late') if %s then return late().low.name .. late().low.name end"
    )
    parts = {"late": late, "low": LOW}
    assert run(store, joined("p.script", reader(script=script % "false", **parts))) is None
    assert not store.exists("{p}:made")
    assert run(store, joined("p.script", reader(script=script % "true", **parts))) == b"lowlow"
    assert store.lrange("{p}:made", 0, -1) == [b"low", b"late", b"end"]


def test_a_part_that_one_makes_at_once_is_there_for_whoever_asks_later(store: redis.Redis) -> None:
    mid = "local low = later('p.low') return { name = function() return low().name end }"
    script = "return { part('p.low').name, part('p.mid').name() }"
    script = joined("p.script", reader(script=script, mid=mid, low=LOW))
    assert run(store, script) == [b"low", b"low"]
    assert store.lrange("{p}:made", 0, -1) == [b"low"]


USES = """\
local key, lower = part('p.low').key, string.lower
local MOST, LESS, HALF, TEXT = 40, -2, 1 / 2, 'MOST -- of all' -- MOST of these
local low, total = part('p.low'), 0
local function uses()
  local object = { most = MOST, key = key('a'), low.key('b') }
  object.LESS = 7
  total = total + object.most
  return {
    object.most - LESS, object.LESS, tostring(HALF), TEXT, key('MOST'),
    object.key..lower('X')..object[1], total, low.NAME
  }
end
return { uses = uses }
"""
NAMED = "local prefix = KEYS[1]\nlocal function key(name) return prefix .. name end\nreturn { %s }"


def test_constants_and_what_parts_share_have_no_name_of_their_own_in_each_part(
    store: redis.Redis,
) -> None:
    script = joined(
        "p.script",
        reader(
            script="local first = part('p.first')\nlocal lower = string.lower\n"
            "return { first.uses(), part('p.second').uses(), lower('Z') }",
            first=USES,
            second=USES,
            low=NAMED % "key = key, NAME = 'low'",
        ),
    )
    answer = [42, 7, b"0.5", b"MOST -- of all", b"{p}:MOST", b"{p}:ax{p}:b", 40, b"low"]
    assert run(store, script) == [answer, answer, b"z"]
    declared = re.findall(
        r"^local (?!function).*(?:MOST|HALF|lower|\bkey\b).*$", script, re.MULTILINE
    )
    assert declared == ["local string_lower = string.lower", "local part_0_key = part_0.key"]


def test_a_name_that_is_given_another_value_is_left_alone(store: redis.Redis) -> None:
    script = """\
local key, MOST, over, other = part('p.low').key, 1, string.lower, 2
if key('') ~= '' then key = part('p.low').NAME end
MOST, other = MOST + 1, 3
over = string.upper
return { key, MOST, over('x'), other }
"""
    parts = reader(script=script, low=NAMED % "key = key, NAME = 'low'")
    assert run(store, joined("p.script", parts)) == [b"low", 2, b"X", 3]


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (
            {"script": "part('p.mid')", "mid": "part('p.gone')"},
            "p.script -> p.mid -> p.gone: there is no Lua part 'p.gone'",
        ),
        (
            {"script": "part('p.a')", "a": "part('p.b')", "b": "part('p.a')"},
            "Lua parts use each other: p.script -> p.a -> p.b -> p.a",
        ),
        (
            {"script": "part('p.script')"},
            "Lua parts use each other: p.script -> p.script",
        ),
        *(
            ({"script": text}, "the Lua part 'p.script' has a part() without a name")
            for text in ("part(name)", 'part("p.a")', "local get = part")
        ),
        ({"script": "later(name)"}, "the Lua part 'p.script' has a later() without a name"),
        (
            {"script": "later('p.a')", "a": "part('p.b')", "b": "later('p.a')"},
            "Lua parts use each other: p.script -> p.a -> p.b -> p.a",
        ),
    ],
)
def test_what_cannot_be_joined_is_refused(parts: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(error)):
        joined("p.script", reader(**parts))


@pytest.mark.parametrize("name", ["sluicegate.gone", "gone.part", "part", "sluicegate.a.b"])
def test_a_part_without_a_file_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"there is no Lua part '{name}': it would be"):
        Script(name).source()


def test_time_is_the_part_that_tests_replace() -> None:
    frozen = "return { server_ms = function() return 1 end }"
    script = Script("sluicegate.cancel")
    assert "redis.call('TIME')" in script.source()
    assert frozen in script.source(frozen)
    assert "redis.call('TIME')" not in script.source(frozen)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_can_be_joined(name: str) -> None:
    assert Script(name).source()


def test_only_time_reads_the_servers_clock() -> None:
    assert [name for name in PARTS if "'TIME'" in read(name)] == ["sluicegate.time"]


def test_a_late_part_stands_within_the_late_part_that_is_always_asked_before_it(
    store: redis.Redis,
) -> None:
    parts = {
        "script": "return { later('p.outer')().say(), later('p.other')().say() }",
        "outer": "return { say = function() return later('p.inner')().say end }",
        "inner": "return { say = part('p.shared').name .. part('p.own').name }",
        "own": "return { name = ' own' }",
        "other": "return { say = function() return part('p.shared').name end }",
        "shared": "return { name = 'shared' }",
    }
    script = joined("p.script", reader(**parts))
    assert run(store, script) == [b"shared own", b"shared"]
    stand = re.findall(r"-- (p\.\w+)$", script, re.MULTILINE)
    assert stand == ["p.shared", "p.outer", "p.inner", "p.own", "p.other"]
