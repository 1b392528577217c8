"""The benchmark: Sluicegate and its alternatives on the same work, and what that work costs.

All contenders use the same provider stub and the same server, take turns, and run at least three
times. On a machine with two cores, clients have one to themselves. ``make bench`` takes about half
an hour, ``make bench-quick`` two minutes. The bench reads /proc, so it needs Linux.
"""
