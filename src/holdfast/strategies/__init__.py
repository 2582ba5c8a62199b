"""The strategies: each decides, none waits.  One file each, read from top to bottom."""
