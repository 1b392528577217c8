"""An account's state in words: what is wrong, why, and what to do."""
