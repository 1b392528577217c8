"""What is wrong with notices: nobody can be told, nobody is, or a receiver takes none."""

import os
from collections.abc import Mapping

from sluicegate.config import Config
from sluicegate.errors import InvalidConfig

from ...inspect import NotifyingState
from ...notify.receivers import receivers_of
from ...operating.words import counted, lasting
from .diagnosis import Diagnoses, Diagnosis

_SILENT_SECONDS = 600.0
"""Cron may start it every few minutes."""


def notice_settings(config: Config, environ: Mapping[str, str] = os.environ) -> Diagnoses:
    """What can be said of the settings alone; nothing where nobody is to be told."""
    try:
        receivers_of(config.notify, environ)
    except InvalidConfig as error:
        yield Diagnosis(
            "notify_settings",
            f"notices can't be sent: {error}",
            "nobody is told when something needs a person",
            "put it right, then: sluicegate notify test",
        )


def notice_findings(
    config: Config,
    state: NotifyingState,
    now_ms: float,
    environ: Mapping[str, str] = os.environ,
) -> Diagnoses:
    """Whether those who are to be told are."""
    try:
        receivers = receivers_of(config.notify, environ)
    except InvalidConfig:
        return
    looked = None if state.looked_ms is None else (now_ms - state.looked_ms) / 1000
    if receivers and (looked is None or looked > _SILENT_SECONDS):
        ago = "never looked" if looked is None else f"not looked for {lasting(looked)}"
        yield Diagnosis(
            "notify_silent",
            f"notices are set up, and sluicegate notify has {ago}",
            "nobody is told when something needs a person",
            "run it as a service: sluicegate notify; or from cron: sluicegate notify --once",
        )
    for name, waiting in state.waiting.items():
        yield Diagnosis(
            "notify_waiting",
            f"{counted(waiting, 'notice waits', 'notices wait')} for the {name}",
            "it did not take them; they are sent again, the latest 200",
            "sluicegate notify test says why",
        )
