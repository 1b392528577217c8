"""``sluicegate campaign presets``: the hours that laws set, with their sources."""

import msgspec

from sluicegate.campaigns.hours import presets

from ...operating.session import Session
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines
from ..kit.output import table, tell, write, write_lines

NO_ADVICE = "no legal advice, but what sources said when they were read; ask a lawyer"


@option_set
class PresetsOptions:
    """The options of ``campaign presets``."""

    json: AsJsonLines = False


@command
def list_presets(session: Session, options: PresetsOptions) -> None:
    """List the hours that --preset keeps to, with law and source.

    They are no legal advice. A rule without a state holds in all of them; where
    nobody knows the state of a number, all rules hold.

    \b
    Example:
      sluicegate campaign presets
    """
    if options.json:
        write_lines(
            {"preset": name} | msgspec.structs.asdict(rule)
            for name, preset in presets().items()
            for rule in preset.rules
        )
        return
    for name, preset in presets().items():
        rows = table(name.upper(), "HOURS", "HOLIDAYS", "LAW", "READ", "SOURCE", spare=("SOURCE",))
        for rule in preset.rules:
            closed = ", ".join(rule.holidays)
            about = (rule.law, rule.read.isoformat(), rule.source)
            rows.add_row(rule.state or "all", rule.hours, closed, *about)
        write(rows)
        tell(f"\n{name}: {preset.title}; {NO_ADVICE}")
