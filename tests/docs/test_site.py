"""The site, built without running the lessons: its pages, search, local links, and what a browser loads."""

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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site with warnings as errors; the lessons keep their cells but no outputs."""
    out = tmp_path_factory.mktemp("site") / "html"
    words = ["-c", "docs", "-D", "nb_execution_mode=off", "--fail-on-warning", "--keep-going", "--quiet", ".", str(out)]
    run = subprocess.run(
        [sys.executable, "-m", "sphinx", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def test_every_part_of_the_site_is_there(site: Path, pages: dict[Path, Page]) -> None:
    names = {path.relative_to(site).as_posix() for path in pages}
    lessons = {f"notebooks/solutions/{path.stem}.html" for path in ROOT.glob("notebooks/0*.py")}
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


def test_code_of_the_lessons_is_shown(site: Path) -> None:
    text = (site / "notebooks" / "solutions" / "00_what_resolution_takes_away.html").read_text()
    assert "block_average" in text and "NotImplementedError" not in text
