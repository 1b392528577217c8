"""A command from a function and its options: a frozen dataclass, one field for each parameter."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from inspect import Parameter, Signature
from typing import Any, TypeVar, dataclass_transform, get_type_hints

import typer

from ...operating.session import Session
from .failures import BAD_INPUT, fail
from .options import AccountOption, ConfigOption

Options = TypeVar("Options")

_READ_ONLY = frozenset(
    (
        "status",
        "why",
        "list_lanes",
        "trend",
        "list_hours",
        "list_presets",
        "list_",
        "show",
        "check",
        "preview",
        "report",
        "export",
        "watch",
        "probe",
        "retrieve",
        "doctor",
    )
)
"""Commands that change nothing, whatever becomes of them."""

_MAY_BE_EMPTY = frozenset(("why", "text", "b_text", "delimiter"))
"""Options that say themselves what they take: a delimiter may be a space."""

_CONTEXT = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
_EVERYWHERE = [
    Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
    for name, annotation in (("account", AccountOption), ("config", ConfigOption))
]
"""Options that may stand before a command and behind it: people try both."""


@dataclass_transform(frozen_default=True, kw_only_default=True, eq_default=False)
def option_set(kind: type[Options]) -> type[Options]:
    """Make a class of options a frozen dataclass whose fields are given by name.

    It has no ``__eq__`` and no ``__repr__``: nobody compares or shows options, and compiling those
    methods for every command would make the help slow to come.
    """
    return dataclass(frozen=True, kw_only=True, eq=False, repr=False)(kind)


def command(
    run: Callable[[Session, Options], None], *, of_any_deployment: bool = False
) -> Callable[..., None]:
    """Expand the fields of ``run``'s second parameter to the signature that typer reads.

    The fields are annotated as typer wants them, with ``Annotated[..., typer.Option(...)]``, and
    keep their order in the help, the fields of a base class first.

        @option_set
        class CancelOptions:
            ids: MessageIds

        @command
        def cancel(session: Session, options: CancelOptions) -> None:
            ...
    """
    *_, kind = (hint for name, hint in get_type_hints(run).items() if name != "return")

    def expanded(
        ctx: typer.Context, account: str | None, config: str | None, **given: Any
    ) -> None:
        _refuse_empty(ctx, given)
        ctx.obj.choose(account, config)
        ctx.obj.writes = run.__name__ not in _READ_ONLY
        ctx.obj.of_any_deployment = of_any_deployment
        run(ctx.obj, kind(**given))

    signature = Signature([_CONTEXT, *_parameters(kind), *_EVERYWHERE])
    expanded.__name__, expanded.__doc__ = run.__name__, run.__doc__
    expanded.__signature__ = signature  # type: ignore[attr-defined]  # inspect reads it, mypy does not know it
    return expanded


def _refuse_empty(ctx: typer.Context, given: Mapping[str, Any]) -> None:
    """End where an option has an empty value, as from a variable that a script has not set.

    To take it as if it were not given might send now what was to wait for a time.
    """
    for param in ctx.command.params:
        if param.param_type_name != "option" or param.name in _MAY_BE_EMPTY:
            continue
        if param.default == "":  # which is no less than leaving it out
            continue
        value = given.get(param.name or "")
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) and not each.strip() for each in values):
            fail(f"{param.opts[0]} is empty: give a value, or leave the option out", BAD_INPUT)


def _parameters(kind: type) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]


def _default(field: Field[Any]) -> Any:
    return Parameter.empty if field.default is MISSING else field.default
