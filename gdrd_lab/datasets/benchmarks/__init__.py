"""Public benchmarks of low-resolution recognition, read from their official layouts. For testing only."""
