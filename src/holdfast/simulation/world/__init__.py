"""The model: users, a network, servers with their queues, caches and rows."""
