"""What is played: policies by name, the user's own, and what they are checked for beforehand."""
