"""``python -m holdfast.doctor``: needs no extra."""

import argparse
import sys

from holdfast.doctor.findings import printed


def main() -> int:
    """Print what is found; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m holdfast.doctor",
        description="Say what of Holdfast works here, and why. The exit code is 1 if blocking calls "
        "can't be cut.",
    )
    parser.add_argument("--json", action="store_true", help="for machines")
    wanted = parser.parse_args()
    from holdfast.doctor import examine

    return printed(examine(), as_json=wanted.json)


if __name__ == "__main__":
    sys.exit(main())
