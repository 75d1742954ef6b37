"""What a process that runs for long does about garbage collection."""

import gc
from typing import Final

# Python looks for garbage after every 700 new objects; a request or a workflow task makes more than that.
_NEW_OBJECTS: Final = 5_000


def settle() -> None:
    """Take everything that is loaded by now out of garbage collection, because it stays for good.

    It is a third of a million objects. Looking through them took the API half a second each time, in which it answered
    nobody, and a tenth of its CPU.
    """
    # Nothing is collected first: after a start there is next to no garbage, and looking for it would delay the start.
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)
