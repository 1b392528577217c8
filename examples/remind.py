"""Remind everybody whose invoice is overdue, once: a script for cron, on a database of yours.

    python examples/remind.py sqlite:///invoices.sqlite3 --from +15557654321
    python examples/remind.py postgresql+psycopg://app@db/app --from +15557654321

An invoice is marked and its text is enqueued in one transaction, so a script that is killed in the
middle neither forgets anybody nor reminds anybody twice. A worker, or ``sluicegate relay``, hands
the texts over. The table is ``invoices (id, phone, due, reminded)``.
"""

import argparse
import sys
from datetime import UTC, datetime

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from sluicegate import InvalidMessage
from sluicegate.transactional.sqlalchemy import create_table, enqueue

OVERDUE = text("SELECT id, phone FROM invoices WHERE reminded = 0 AND due < :today")
REMINDED = text("UPDATE invoices SET reminded = 1 WHERE id = :id AND reminded = 0")


def main() -> None:
    parser = argparse.ArgumentParser(description="Remind of overdue invoices through Sluicegate.")
    parser.add_argument("database", help="its URL, as SQLAlchemy takes it")
    parser.add_argument("--from", dest="sender", required=True, help="one of your numbers")
    options = parser.parse_args()
    engine, today = create_engine(options.database), datetime.now(UTC).date().isoformat()
    create_table(engine)
    with engine.connect() as connection:
        overdue = connection.execute(OVERDUE, {"today": today}).all()
    reminded = 0
    for id, phone in overdue:
        try:
            with engine.begin() as transaction:
                if transaction.execute(REMINDED, {"id": id}).rowcount:
                    message = f"Invoice {id} is overdue."
                    enqueue(
                        transaction,
                        id=f"overdue-{id}",
                        to=phone,
                        sender=options.sender,
                        text=message,
                    )
                    reminded += 1
        except InvalidMessage as error:  # it stays unmarked: the number is to be corrected
            print(f"invoice {id}: {error}", file=sys.stderr)
    print(f"{reminded} of {len(overdue)} reminded")
    sys.exit(reminded < len(overdue))


if __name__ == "__main__":
    try:
        main()
    except SQLAlchemyError as error:
        sys.exit(f"not reminded: {error}")
