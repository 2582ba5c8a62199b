"""Names for the values of parametrised tests."""

import re


def spelt(value):
    """Spell a value as `repr` does, without addresses: a test has the same name in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
