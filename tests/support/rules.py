"""The rules of ``test_structure.py`` as functions of a file's text, so that each can be tested.

commands       the Redis commands that a file issues
forms_by_hand  where it splits or joins an id, a ticket, a lease or a lane's name
unreasoned     its suppressions that do not say why
circle         a circle among what imports what
"""

import ast
import re
from collections.abc import Iterable
from functools import cache

_CLIENT = re.compile(r"(?:.*_)?(?:client|redis|pipeline|pipe|store)")
_CLIENT_TYPE = re.compile(r"redis(\.asyncio)?\.(Redis|client\.Pipeline)")
_COMMANDS = frozenset(
    re.findall(
        r"\w+",
        """
        append blpop brpop copy decr delete dump echo eval evalsha exists expire expireat
        get getdel getset hdel hexists hget hgetall hincrby hincrbyfloat hkeys hlen hmget
        hscan hscan_iter hset hsetnx hvals incr incrby info keys lindex linsert llen lpop
        lpush lrange lrem lset ltrim mget mset persist pexpire pexpireat ping pttl publish
        rename restore rpop rpush sadd scan scan_iter scard script_load set setex setnx
        sismember smembers spop srem sscan_iter strlen time ttl type unlink xadd zadd zcard
        zcount zincrby zrange zrangebyscore zrem zremrangebyscore zrevrange zrevrangebyscore
        zscan_iter zscore execute_command pipeline register_script send_command
        """,
    )
)


@cache
def parsed(source: str) -> ast.Module:
    """A file's syntax tree: every rule looks at the same."""
    return ast.parse(source)


@cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    """All nodes of a file's tree."""
    return tuple(ast.walk(parsed(source)))


def last_name(node: ast.AST) -> str:
    """``client`` of ``client``, ``self.client`` and ``self._site.client``."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def clients_by_type(nodes: Iterable[ast.AST]) -> set[str]:
    """The names of parameters that are declared to be clients of Redis."""
    arguments = [node for node in nodes if isinstance(node, ast.arg)]
    typed = [(node.arg, ast.unparse(node.annotation)) for node in arguments if node.annotation]
    return {name for name, annotation in typed if _CLIENT_TYPE.search(annotation)}


def commands(source: str) -> set[str]:
    """The Redis commands that a file issues: methods of what is named or typed as a client.

    A client of HTTP has none of these methods but ``get`` and ``delete``, and is not asked here.
    """
    nodes = nodes_of(source)
    clients = clients_by_type(nodes)
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    issued = {
        node.attr
        for node in attributes
        if node.attr in _COMMANDS
        and (_CLIENT.fullmatch(last_name(node.value)) or last_name(node.value) in clients)
    }
    written_out = {node.attr for node in attributes if node.attr == "send_command"}
    return issued | written_out


_CUTS = {"split", "rsplit", "partition", "rpartition"}
_MARKS = ("|", "#")  # of tickets, leases and lanes


def is_id(node: ast.AST) -> bool:
    return last_name(node) in {"id", "message_id"}


def cut_by_hand(node: ast.Call) -> bool:
    """Whether a call cuts a stored text: by ``|`` or ``#``, an id by ``.``, or by its prefix."""
    method, first = node.func, node.args[0] if node.args else None
    if not isinstance(method, ast.Attribute) or first is None:
        return False
    mark = first.value if isinstance(first, ast.Constant) else None
    mark = mark.decode("latin-1") if isinstance(mark, bytes) else mark
    if method.attr in _CUTS:
        return mark in _MARKS or (mark in (".", ":") and is_id(method.value))
    return method.attr in {"startswith", "removeprefix"} and any(
        isinstance(part, ast.JoinedStr) and ends_as_campaign(part) for part in ast.walk(first)
    )


def ends_as_campaign(text: ast.JoinedStr) -> bool:
    """Whether a text is made as what recipients' ids begin with: ``f"{campaign}."``."""
    last = text.values[-1]
    return isinstance(last, ast.Constant) and last.value == "." and len(text.values) > 1


def joined_by_hand(node: ast.JoinedStr) -> bool:
    """Whether a text is made with a mark, with ``.`` behind a campaign or ``:`` behind an app."""
    for before, between, after in zip(node.values, node.values[1:], node.values[2:], strict=False):
        if not (isinstance(before, ast.FormattedValue) and isinstance(after, ast.FormattedValue)):
            continue
        mark = between.value if isinstance(between, ast.Constant) else ""
        whose = last_name(before.value).lower()
        if mark in _MARKS or (mark, whose) in {(".", "campaign"), (":", "app")}:
            return True
    return False


def forms_by_hand(source: str) -> set[str]:
    """Where a file splits or joins an id, a ticket, a lease or a lane's name."""
    breaches = set()
    for node in nodes_of(source):
        match node:
            case ast.Call() if cut_by_hand(node):
                breaches.add(ast.unparse(node))
            case ast.JoinedStr() if joined_by_hand(node):
                breaches.add(ast.unparse(node))
            case ast.Subscript(value=value) if last_name(value) == "lane":
                breaches.add(ast.unparse(node))
    return breaches


_SUPPRESSION = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?|type:\s*ignore(?:\[[\w, -]+\])?"
    r"|pragma:\s*no (?:cover|branch))(?P<rest>.*)|--\s*luacheck:\s*(?P<lua>.*)"
)
_REASON = re.compile(r"\s*(?:#|-|\()\s*\w.*")


def unreasoned(source: str) -> set[str]:
    """The suppressions of a file that do not say why on their line."""
    matches = ((line, _SUPPRESSION.search(line)) for line in source.splitlines())
    return {
        line.strip()
        for line, match in matches
        if match and not _REASON.search(match["rest"] if match["lua"] is None else match["lua"])
    }


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Some circle among names and what they import, as a path that ends where it begins."""
    done = set[str]()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(arrows.get(name, ())):
                if found := walk(other, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := walk(name, []))), [])
