"""Where Django looks for the shop's commands."""
