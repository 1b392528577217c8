"""What the imitated account owns, and the API that lists and changes it."""
