"""One run and many: played, counted, compared, swept over a range."""
