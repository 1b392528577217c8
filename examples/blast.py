"""Send a text to everybody in a CSV file, and report what became of each row.

SLUICEGATE_REDIS_URL=redis://127.0.0.1:6379/0 \\
    python examples/blast.py people.csv --name spring --from +15557654321 --text "Hi {first_name}!"

The file needs a column ``to``; the other columns fill in the text. The file is streamed, however
long it is. A row with an empty cell that the text needs is reported and left out, so nobody reads
"Hi !". After any trouble, run it again: each id is made of the blast's name and the number, so a
recipient gets one text per blast.
"""

import argparse
import csv
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from string import Formatter

from sluicegate import Message, OutboxError, Sluice, SluicegateError


def complete(
    rows: Iterable[dict[str, str]], text: str, left_out: Counter[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows that fill the whole text, each with its number; the others are reported."""
    used = ["to", *(name for _, name, _, _ in Formatter().parse(text) if name)]
    for number, row in enumerate(rows, 1):
        empty = [name for name in used if not row[name].strip()]
        if empty:
            left_out["incomplete"] += 1
            print(f"row {number}: {', '.join(empty)} empty", file=sys.stderr)
        else:
            yield number, row


def messages(rows: Iterable[dict[str, str]], options: argparse.Namespace) -> Iterator[Message]:
    """One message per row, built on demand. Bulk messages never delay transactional ones."""
    for row in rows:
        person = blake2b(row["to"].encode(), digest_size=12).hexdigest()  # ids hold no numbers
        yield Message(
            id=f"{options.name}-{person}",
            to=row["to"],
            sender=options.sender,
            text=options.text.format_map(row),
            priority="bulk",
        )


def blast(sluice: Sluice, rows: Iterable[dict[str, str]], options: argparse.Namespace) -> int:
    """Enqueue a message for each row and print the report. Returns the exit status."""
    outcomes: Counter[str] = Counter()
    numbers: deque[int] = deque()  # of the rows that are read ahead, a thousand at most

    def numbered() -> Iterator[dict[str, str]]:
        for number, row in complete(rows, options.text, outcomes):
            numbers.append(number)
            yield row

    try:
        # One result per message, in order.
        for result in sluice.enqueue_many(messages(numbered(), options)):
            number = numbers.popleft()
            outcomes[result.outcome] += 1
            if not result.ok:
                print(f"row {number}: {result.error}", file=sys.stderr)
    except OutboxError as error:
        print(f"stopped: {error}; run it again, nobody is texted twice", file=sys.stderr)
        return 1
    finally:
        print(", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return 1 if any(outcomes[bad] for bad in ("incomplete", "invalid", "reused")) else 0


def main() -> None:
    parser = argparse.ArgumentParser(description="Send a text to everybody in a CSV file.")
    parser.add_argument("file", type=Path, help="CSV with a header row and a column named to")
    parser.add_argument("--name", required=True, help="the name of the blast, part of every id")
    parser.add_argument("--from", dest="sender", required=True, help="one of your numbers")
    parser.add_argument("--text", required=True, help="for example 'Hi {first_name}!'")
    options = parser.parse_args()
    try:
        with Sluice() as sluice, options.file.open(newline="", encoding="utf-8-sig") as file:
            sys.exit(blast(sluice, csv.DictReader(file, restval=""), options))
    except (SluicegateError, OSError) as error:
        sys.exit(str(error))
    except KeyError as error:
        sys.exit(f"{options.file}: no column {error}")


if __name__ == "__main__":
    main()
