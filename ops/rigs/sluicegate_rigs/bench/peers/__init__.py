"""The programs compared with ours, each written as its own documentation suggests.

Their settings come from the environment, see ``task.py``. Each runs in its own processes.
"""
