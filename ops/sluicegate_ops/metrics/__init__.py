"""Each account's state in Redis as metrics, which ``sluicegate serve`` exports.

A worker does not export them: the state is one, and each worker would tell it, and read it, once
more. Where several processes serve, a query takes ``max by (account)``.

Gauges say what is now, counters how often something happened since the account's first message.
What is taken back on later evidence (a cancelled message that was sent after all) is a gauge.

account    one account as a scrape sees it
families   what is known of the accounts, as Prometheus reads it
scrape     what a scrape is told, also while Redis is slow
"""

from .account import EVENTS
from .families import AccountMetrics, exposed
from .scrape import AccountScrape

__all__ = ["EVENTS", "AccountMetrics", "AccountScrape", "exposed"]
