"""What is simulated, as values: load, servers, network, and what goes wrong."""
