"""What every command uses: its session, its output, its questions and its errors."""
