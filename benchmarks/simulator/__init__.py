"""What the simulator costs: calls a second, and memory."""
