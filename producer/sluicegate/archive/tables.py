"""The archive's tables, for SQLAlchemy; the migrations create them."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

identity = Table(
    "identity",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("created", BigInteger, nullable=False),
)
"""One row: which archive this is. A copy of its file is the same archive."""

books = Table(
    "books",
    metadata,
    Column("account", String(40), primary_key=True),
    Column("books", String(40), nullable=False),
    Column("since", BigInteger, nullable=False),
)
"""Whose messages these are: an account's Redis holds the same ``books``."""

messages = Table(
    "messages",
    metadata,
    Column("account", String(40), primary_key=True),
    Column("id", String(262), primary_key=True),
    Column("born", BigInteger, primary_key=True, autoincrement=False),
    Column("campaign", String(60), nullable=False),
    Column("recipient", String(20), nullable=False),
    Column("state", String(12), nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("day", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("maybe_sent", Integer, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("delivery", String(12), nullable=False),
    Column("delivery_at", BigInteger, nullable=False),
    Column("delivery_code", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rest", Text, nullable=False),
)
"""A finished message each. ``born`` is when it was enqueued (0 for a campaign's recipient), since
an app's id may come again once its retention is over. Moments are wall milliseconds, ``day`` is
that of the end (since 1970, UTC). ``rest`` is JSON: all other fields of its record."""

Index("messages_recipient", messages.c.account, messages.c.recipient)
Index("messages_campaign", messages.c.account, messages.c.campaign)
Index("messages_day", messages.c.account, messages.c.day)

removed = Table(
    "removed",
    metadata,
    Column("account", String(40), primary_key=True),
    Column("campaign", String(60), primary_key=True),
    Column("state", String(12), primary_key=True),
    Column("delivery", String(12), primary_key=True),
    Column("maybe_sent", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)
"""How many of a campaign's recipients were removed in their time: its ledger still adds up."""
