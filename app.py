"""The app: two faces, one resolution slider, teacher and student side by side. The same as `gdrd app`."""

import sys

from gdrd_lab.cli import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
