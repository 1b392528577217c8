"""What every command uses: its session, its options, its output, its questions, its errors."""
