"""Flower runs this file as its configuration: a global name here sets the option of that name."""

from logging import getLogger

try:
    from sluicegate_ops.dashboard.in_flower.install import install
except ImportError as missing:
    getLogger("flower").warning(
        "Flower shows no pages of Sluicegate: its extra `ops` is missing (%s)", missing
    )
else:
    install()
