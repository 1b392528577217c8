"""The programs that are compared, each as its own documentation would have it written.

What they need comes in the environment, see ``task.py``. Each runs in processes of its own.
"""
