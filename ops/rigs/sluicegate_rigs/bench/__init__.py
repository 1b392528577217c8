"""The benchmark: this project beside others on the same work, and what its work costs.

All run on the same stub of the provider and the same server, by turns and at least three times;
clients have a core of their own where there are two. ``make bench`` takes a good half hour,
``make bench-quick`` two minutes. It reads /proc, so it needs Linux.
"""
