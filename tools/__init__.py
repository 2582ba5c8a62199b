"""What dev.py needs: environments and interpreters. Standard library only."""
