"""The site, built without running the lessons: its pages, search, local links, and what a browser loads."""

import html
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADS = {  # by tag, the attribute that makes a browser load something
    "script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src", "audio": "src",
    "object": "data", "embed": "src", "use": "href", "image": "href",
}  # fmt: skip


class Page(HTMLParser):
    """What a page loads, where it links to, and the anchors it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {str(found[name]) for name in ("id", "name") if found.get(name)}
        if found.get("srcset"):
            self.loads += [part.split()[0] for part in str(found["srcset"]).split(",")]
        if tag in LOADS and found.get(LOADS[tag]):
            self.loads.append(str(found[LOADS[tag]]))
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))


def build(source: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build a site with the configuration of docs/ and warnings as errors."""
    words = ["-c", str(ROOT / "docs"), *options, "--fail-on-warning", "--keep-going", "--quiet", str(source), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", "sphinx", *words], env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site without running the lessons; a page of a module that is gone must not stand in the way."""
    folder, stale = tmp_path_factory.mktemp("site"), ROOT / "docs" / "api" / "gdrd_lab.gone.rst"
    stale.parent.mkdir(exist_ok=True)
    stale.write_text("gone\n====\n\n.. automodule:: gdrd_lab.gone\n")
    options = ["-d", str(folder / "doctrees"), "-D", "nb_execution_mode=off"]
    for edition in (["html"], ["teacher", "-t", "solutions"]):
        run = build(ROOT, folder / edition[0], *options, *edition[1:])
        assert run.returncode == 0, run.stderr[-3000:]
    assert not stale.exists()
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_part_of_the_site_is_there(site: Path, pages: dict[Path, Page]) -> None:
    names = {path.relative_to(site).as_posix() for path in pages}
    lessons = {f"notebooks/solutions/{path.stem}.html" for path in ROOT.glob("notebooks/source/0*.py")}
    sources = [path for folder in ("", "data/", "notebooks/", "docs/") for path in ROOT.glob(f"{folder}*.md")]
    documents = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in sources}
    assert len(lessons) == 8 and {"README.html", "data/RESULTS.html", "notebooks/CLUSTER.html"} <= documents
    assert lessons | documents | {"index.html", "search.html", "genindex.html"} <= names
    front = (site / "docs" / "index.html").read_text()
    for name in (lessons | documents) - {"docs/index.html"}:
        assert f'href="{Path(name).name if name.startswith("docs/") else "../" + name}"' in front, name


def test_every_module_but_the_programs_is_in_the_reference(site: Path) -> None:
    reference = "".join(path.read_text() for path in (site / "docs" / "api").glob("*.html"))
    for file in (ROOT / "gdrd_lab").rglob("[!_]*.py"):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        if not name.startswith(("gdrd_lab.app", "gdrd_lab.cli", "gdrd_lab.course.checks")):
            assert f'id="module-{name}"' in reference, f"{name}: add its package to docs/api.md"


def test_public_names_are_documented_with_their_examples(site: Path) -> None:
    import gdrd_lab as gl

    text = (site / "docs" / "api" / "gdrd_lab.html").read_text()
    for name in gl.__all__:
        value = getattr(gl, name)
        if callable(value):
            assert f'id="gdrd_lab.{name}"' in text, name
    assert "&gt;&gt;&gt;" in text


def test_links_and_anchors_within_the_site_exist(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links + page.loads:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.is_file():
                broken.append(f"{path.relative_to(site)}: {link}")
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
                broken.append(f"{path.relative_to(site)}: {link} (no such anchor)")
    assert not broken, broken[:20]


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        assert not [
            load for load in page.loads if urlsplit(load).scheme not in ("", "data") or load.startswith("//")
        ], path
        for script in re.findall(r"(?s)<script[^>]*>(.*?)</script>", path.read_text()):
            assert "http" not in script, path
    for file in [*site.rglob("*.css"), *(site / "_static").rglob("*.js")]:
        text = file.read_text()
        assert not re.search(r"""(?:@import|url\()\s*["']?(?:https?:)?//""", text), file
        assert not re.search(r"""(?:fetch|importScripts|import)\(\s*["'](?:https?:)?//""", text), file


def test_every_formula_is_shown(site: Path) -> None:
    """Formulas become MathML without leftovers; none is left as LaTeX."""
    count = 0
    for path in [*(site / "notebooks").rglob("*.html"), *(site / "data").rglob("*.html"), *site.glob("*.html")]:
        text = path.read_text()
        count += text.count("<math")
        assert "merror" not in text and not re.search(r"<m[iont]+[^>]*>\\", text), path
        assert "$$" not in re.sub(r"(?s)<(pre|code).*?</\1>", "", text), path
    assert count > 120


def test_the_search_knows_the_lessons(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert "Relational contrastive distillation" in index and "bootstrap" in index


def test_exercises_are_open_for_students_and_solved_for_teachers(site: Path) -> None:
    for lesson in sorted(ROOT.glob("notebooks/solutions/0*.ipynb")):
        cells = json.loads(lesson.read_text())["cells"]
        solutions = ["".join(cell["source"]) for cell in cells if "solution" in cell["metadata"].get("tags", [])]
        assert solutions
        for edition in ("html", "teacher"):
            page = site.parent / edition / "notebooks" / "solutions" / f"{lesson.stem}.html"
            shown = html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))
            assert shown.count("raise NotImplementedError") == (len(solutions) if edition == "html" else 0), page
            assert all((solution in shown) == (edition == "teacher") for solution in solutions), page


def test_each_lesson_offers_the_notebook_of_the_student(site: Path, pages: dict[Path, Page]) -> None:
    for lesson in sorted(ROOT.glob("notebooks/0*.ipynb")):
        assert (site / "_static" / lesson.name).read_text() == lesson.read_text()
        page = pages[site / "notebooks" / "solutions" / f"{lesson.stem}.html"]
        assert f"../../_static/{lesson.name}" in page.links


def test_a_lesson_runs_once_and_an_error_or_a_check_that_does_not_pass_fails_the_build(tmp_path: Path) -> None:
    import nbformat

    source, out, runs = tmp_path / "source", tmp_path / "build" / "html", tmp_path / "runs"
    lessons = source / "notebooks" / "solutions"
    lessons.mkdir(parents=True)
    (source / "docs").mkdir()
    (source / "docs" / "index.md").write_text("# Site\n\n```{toctree}\n:glob:\n\n../notebooks/solutions/*\n```\n")

    def lesson(name: str, code: str) -> None:
        cells = [nbformat.v4.new_markdown_cell(f"# {name}", id="a"), nbformat.v4.new_code_cell(code, id="b")]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, lessons / f"{name}.ipynb")

    options = ("-E", "-D", f"nb_execution_cache_path={tmp_path / 'kept'}")
    lesson("one", f"print('counted', open({str(runs)!r}, 'a').write('x'))")
    for _ in range(2):  # -E reads every page again; the outputs are kept
        run = build(source, out, *options)
        assert run.returncode == 0, run.stderr
        assert "counted 1" in (out / "notebooks" / "solutions" / "one.html").read_text()
    assert runs.read_text() == "x"
    lesson("one", f"print('counted again', open({str(runs)!r}, 'a').write('y'))")
    lesson("error", "1 / 0")
    lesson("check", "from IPython.display import HTML\nHTML('<b>Not yet: x.</b>')")
    run = build(source, out, *options)
    assert run.returncode == 1 and runs.read_text() == "xy"
    assert "ZeroDivisionError" in run.stderr and "A check in lesson check does not pass" in run.stderr
