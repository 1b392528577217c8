"""Whether Redis has room for a campaign: while it waits, and once it was sent."""

from sluicegate.campaigns.report import Report
from sluicegate.memory import ServerMemory

from ...inspect import read_server
from ...operating.session import Session
from ..kit.failures import fail

_COME_AND_GO_BYTES = 1_000_000  # clients' buffers and scripts, in what is said to be enough


def refuse_without_room(session: Session, report: Report, imported: int) -> None:
    """End the command before anything is done, where Redis has no room for who is new.

    ``imported`` recipients of the campaign are there already.
    """
    memory = read_server(session.client, session.config, session.keys).memory
    new = max(0, report.sendable - imported)
    if memory.most and new and (reason := _refusal(memory, report, new / report.sendable)):
        fail(f"{reason}; nothing was done")


def _refusal(memory: ServerMemory, report: Report, share: float) -> str:
    """Why not, with the figures; "" where there is room for this share of the file."""
    needs = (
        (report.import_bytes * share, memory.ceiling, "while they wait"),
        (report.sent_bytes * share, memory.sending_ceiling, "once they were sent"),
    )
    used = memory.used + _COME_AND_GO_BYTES
    enough = max((used + bytes) * memory.most / ceiling for bytes, ceiling, _ in needs)
    for bytes, ceiling, until in needs:
        left = max(0.0, ceiling - memory.used)
        if bytes > left:
            return (
                f"they need {bytes:,.0f} bytes of Redis {until}, and it has {left:,.0f} left: "
                f"CONFIG SET maxmemory {enough:.0f} or more, and the same in its configuration"
            )
    return ""
