"""What ends a blocking call that hangs, and what that costs those that don't."""
