"""Virtual time: the event loop, its clocks, and whoever watches that a run gets on."""
