"""The shipped data are found by what they hold, wherever the package lies."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gdrd_lab.errors import GdrdError
from gdrd_lab.io.paths import MARKER, PACKAGE, cache_folder, checkout, data_folder


@pytest.fixture
def site_packages(tmp_path: Path) -> Path:
    """A fake site-packages with another distribution's `data` folder beside the package."""
    (tmp_path / "gdrd_lab" / "data").mkdir(parents=True)
    (tmp_path / "gdrd_lab" / "data" / MARKER).write_bytes(b"ours")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / MARKER).write_bytes(b"somebody else's")
    return tmp_path


def test_the_checkout_uses_its_own_data() -> None:
    root = Path(__file__).resolve().parents[2]
    assert checkout() == root and data_folder() == root / "data"


def test_an_installed_package_ignores_a_data_folder_beside_it(site_packages: Path) -> None:
    package = site_packages / "gdrd_lab"
    assert checkout(package) is None
    assert (data_folder(package) / MARKER).read_bytes() == b"ours"


@pytest.mark.parametrize(
    "content",
    [b'[project]\nname = "something-else"\ndependencies = ["gdrd-lab"]\n', b"\xff\xfe\x00", b""],
    ids=["another project that depends on this one", "not text", "empty"],
)
def test_a_project_the_package_was_installed_into_is_not_the_checkout(site_packages: Path, content: bytes) -> None:
    (site_packages / "pyproject.toml").write_bytes(content)
    package = site_packages / "gdrd_lab"
    assert checkout(package) is None and data_folder(package) == package / "data"


@pytest.mark.parametrize("kept", [None, "elsewhere.txt"])
def test_missing_data_are_an_error_with_a_remedy(site_packages: Path, kept: str | None) -> None:
    folder = site_packages / "gdrd_lab" / "data"
    shutil.rmtree(folder)
    if kept:
        folder.mkdir()
        (folder / kept).write_text("not the shipped data")
    with pytest.raises(GdrdError, match=r"shipped models are not in .*gdrd_lab.data. Restore"):
        data_folder(site_packages / "gdrd_lab")


def test_a_copied_package_loads_its_own_models(site_packages: Path) -> None:
    """The installed layout in a process of its own: no model or commit of the folder beside it is taken."""
    package = site_packages / "gdrd_lab"
    shutil.rmtree(package)
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "data").mkdir()
    shutil.copy(data_folder() / MARKER, package / "data")
    (site_packages / ".git").mkdir()
    code = (
        "import gdrd_lab as gl\n"
        "from gdrd_lab.io.paths import commit\n"
        "print(gl.__file__, gl.synthetic_faces(1, 1).size, repr(commit()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=site_packages, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(package / "__init__.py"), "64", "''"]


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GDRD_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GDRD_CACHE")
    assert cache_folder() == Path.home() / ".cache" / "gdrd_lab"
