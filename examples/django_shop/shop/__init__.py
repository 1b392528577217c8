"""A shop that texts its customers when it ships."""
