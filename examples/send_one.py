"""Send one text through the queue, and print its state.

SLUICEGATE_REDIS_URL=redis://127.0.0.1:6379/0 \\
    python examples/send_one.py --to +15551234567 --from +15557654321 --text "Your code is 1234"

With an --id of your own, running it again does nothing, because the message is already known.
"""

import argparse
import sys

from sluicegate import Sluice, SluicegateError


def main() -> None:
    parser = argparse.ArgumentParser(description="Send one text through Sluicegate.")
    parser.add_argument("--to", required=True, help="the recipient, like +15551234567")
    parser.add_argument("--from", dest="sender", required=True, help="one of your numbers")
    parser.add_argument("--text", required=True)
    parser.add_argument("--id", default="", help="the message's id; random by default")
    fields = vars(parser.parse_args())
    try:
        with Sluice() as sluice:  # reads SLUICEGATE_REDIS_URL, or ./sluicegate.toml
            result = sluice.enqueue(**fields)
            print(f"{result.id}: {result.outcome}, now {sluice.status(result.id).state}")
    except SluicegateError as error:
        sys.exit(f"not sent: {error}")


if __name__ == "__main__":
    main()
