"""`python -m gdrd_lab`: the same as `gdrd`."""

import sys

from gdrd_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
