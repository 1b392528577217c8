"""What a worker shows of itself: metrics, logs and a journal."""
