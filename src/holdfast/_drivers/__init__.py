"""The control flow that waits: `aio` and `blocking`, twins kept identical by a test."""
