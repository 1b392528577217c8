"""The provider: its APIs, its answers and what they mean."""
