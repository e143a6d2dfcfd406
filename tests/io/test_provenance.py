"""Which code made a result."""

import subprocess
from pathlib import Path

from gdrd_lab.io.provenance import commit


def test_commit_is_the_head_of_this_checkout() -> None:
    root = Path(__file__).resolve().parents[2]
    head = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()
    assert commit().rstrip("+") == head[:12]
