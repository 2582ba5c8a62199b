"""What became of it, in words, tables and plots."""
