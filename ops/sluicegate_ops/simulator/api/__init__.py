"""The two APIs that the simulator imitates: bodies, answers and errors."""
