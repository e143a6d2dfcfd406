"""The built wheel, installed away from the checkout: the app, the course and the commands work from it alone."""

import ast
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.app_server import Server, get, running_app
from PIL import Image

from gdrd_lab.datasets.synthetic import synthetic_faces

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and an empty folder and home to work in.

    The packages that it needs are those of this environment, without the files that make its checkout importable.
    """

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the working folder."""
        program = self.folder / "env" / "bin" / words[0]
        return subprocess.run(
            [str(program), *words[1:]], cwd=self.folder / "work", env=self.environment, capture_output=True, text=True
        )

    def output(self, *words: str) -> str:
        """The standard output of a program that succeeds."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index"]
    build = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", symlinks=True)
    python = folder / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "install", *offline, str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    place = {"base": str(folder / "env"), "platbase": str(folder / "env")}
    packages = Path(sysconfig.get_path("purelib", "venv", vars=place))
    # Python reads no .pth file in a folder that a .pth file names, so the editable install stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "data").mkdir()  # another package's data must not be taken for this one's
    (folder / "work").mkdir()
    (folder / "home").mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "OMP_NUM_THREADS") if name in os.environ}
    return Installed(folder, {**kept, "HOME": str(folder / "home")})


def test_the_package_is_imported_from_the_wheel(installed: Installed) -> None:
    code = "import gdrd_lab, json, sys; print(json.dumps([gdrd_lab.__file__, sys.path]))"
    file, path = json.loads(installed.output("python", "-c", code))
    assert Path(file).is_relative_to(installed.folder / "env")
    assert path[0] == "" and ROOT not in [Path(place).resolve() for place in path[1:]]  # "": the empty working folder
    assert installed.output("gdrd", "--version").startswith("gdrd ")


def test_faces_are_embedded_and_methods_evaluated(installed: Installed) -> None:
    faces = synthetic_faces(identities=4, per_identity=3, size=112)
    for key, label, image in zip(faces.keys, faces.labels, faces.images, strict=True):
        place = installed.folder / "work" / "faces" / f"person {label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{Path(key).name}.png")
    assert "12 embeddings of 128 numbers" in installed.output("gdrd", "embed", "faces", "faces.parquet", "--quiet")
    words = ["--data", "faces", "--methods", "student", "--resolutions", "16", "--out", "scores.json", "--quiet"]
    assert "student" in installed.output("gdrd", "evaluate", *words)
    names = {file.name for file in (installed.folder / "work").iterdir()}
    assert {"faces.parquet", "scores.json"} <= names


def test_the_course_is_copied_out_and_finds_everything_that_it_imports(installed: Installed) -> None:
    out = installed.output("gdrd", "notebooks", "course")
    assert "jupyter lab course" in out
    copies = sorted((installed.folder / "work" / "course").glob("*.ipynb"))
    assert [copy.name for copy in copies] == sorted(file.name for file in (ROOT / "notebooks").glob("*.ipynb"))
    imports = {line for copy in copies for line in _imports(copy)}
    assert any("gdrd_lab" in line for line in imports)
    installed.output("python", "-c", "\n".join(sorted(imports)))


def _imports(notebook: Path) -> Iterator[str]:
    """The import statements of a notebook's cells."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, (ast.Import, ast.ImportFrom)):
                    yield ast.unparse(node)


@pytest.fixture
def server(installed: Installed, tmp_path: Path) -> Iterator[Server]:
    command = [str(installed.folder / "env" / "bin" / "gdrd"), "app"]
    with running_app(tmp_path, command, installed.environment) as running:
        yield running


def test_the_app_opens_at_the_port_of_the_environment_and_scores_faces(server: Server) -> None:
    from gradio_client import Client

    status, page = get(server.url)
    assert status == 200 and b"GDRD Lab" in page
    found = Client(server.url, verbose=False, analytics_enabled=False).predict(3, 4, 16, api_name="/compare")
    assert -1 <= found["student"]["score"] <= 1
