"""What the reports of the demo and of the simulator look like: one style for pages and for plots."""
