"""Every `gdrd` command in the documents and lessons exists with the options that stand there."""

import argparse
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from gdrd_lab.cli import parser

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("*.md", "data/*.md", "docs/*.md", "notebooks/*.md", "notebooks/source/0*.py")
# The changelog names what was renamed; the results quote the commands of the runs as they were typed.
TEXTS = sorted(
    {path for part in PARTS for path in ROOT.glob(part)} - {ROOT / "CHANGELOG.md", ROOT / "data" / "RESULTS.md"}
)


def subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return next((dict(a.choices) for a in of._actions if isinstance(a, argparse._SubParsersAction)), {})


def unknown(words: list[str]) -> list[str]:
    """Return the words that name no command or option of it."""
    here, wrong = parser(), []
    for word in words:
        if commands := subparsers(here):
            if word.startswith("-"):
                continue
            if word not in commands:
                return [word]
            here = commands[word]
        elif word.startswith("--") and word.split("=")[0] not in here._option_string_actions:
            wrong.append(word)
    return wrong


def commands(text: str) -> tuple[list[str], list[str]]:
    """Return what follows `gdrd` in code blocks (whole lines) and in code within text (maybe unfinished)."""
    text = re.sub(r"(?m)^# ?", "", text)  # the text cells of a lesson
    blocks = re.findall(r"(?s)```(?:bash|sh|console)\n(.*?)```", text)
    lines = re.sub(r"\\\n\s*", " ", "\n".join(blocks)).splitlines()
    whole = [m[1] for line in lines if (m := re.search(r"(?:^|\s)(?:-m gdrd_lab|gdrd) (.+)", line.split(" #")[0]))]
    inline = re.findall(r"`(?:\$ )?gdrd ([^`]+)`", re.sub(r"(?s)```.*?```", "", text))
    return whole, [" ".join(part.split()) for part in inline]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_exist(path: Path) -> None:
    whole, inline = commands(path.read_text())
    for line in [*whole, *inline]:
        assert not unknown(shlex.split(line)), f"gdrd {line}"
    for line in whole:
        words, said = shlex.split(line), io.StringIO()
        if "--help" in words or "..." in words:
            continue
        with contextlib.redirect_stderr(said):
            try:
                parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"gdrd {line}: {said.getvalue().splitlines()[-1]}")


def test_what_does_not_exist_is_found() -> None:
    assert unknown(["evaluate", "--beside", "x"]) == ["--beside"]
    assert unknown(["bench", "networks"]) == ["bench"]
    assert not unknown(["data", "pack", "FACES", "OUT", "--workers=3"])
    whole, inline = commands("`gdrd train` and\n```bash\ntorchrun -m gdrd_lab train all \\\n  --out x  # here\n```\n")
    assert ([line.split() for line in whole], inline) == ([["train", "all", "--out", "x"]], ["train"])
    assert sum(len(commands(path.read_text())[0]) for path in TEXTS) > 20
