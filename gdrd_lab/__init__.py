"""GDRD Lab: distilling generative and discriminative representations for very-low-resolution face recognition.

The package backs the notebooks, the app and the command line. Importing it is cheap: import the submodule you need.
"""

__version__ = "0.1.0"

import os as _os

from gdrd_lab.machine import keep_freed_memory as _keep_freed_memory

# Networks run about twice as fast on a CPU with these settings; GDRD_ALLOCATOR=system leaves the C library alone.
if _os.environ.get("GDRD_ALLOCATOR") != "system":
    _keep_freed_memory()
