"""One message: its state, its attempts, and what receipts say of it."""
