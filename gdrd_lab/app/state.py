"""The state of the page as one frozen value: what JSON, links and notebook cells are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args
from urllib.parse import quote

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS
from gdrd_lab.transforms.degradation import Degradation

Tab = Literal["compare", "across", "generate", "attention", "map", "take"]
Whose = Literal["first", "second"]
Method = Literal["PCA", "UMAP"]
Colour = Literal["identity", "error", "resolution"]
Target = Literal["itself", "the other face"]
LAST_EXAMPLE = 59
SMALLEST, LARGEST = RESOLUTIONS[0], RESOLUTIONS[-1]
MAX_SELECTED = 1000

WHOLE: dict[str, tuple[int, int]] = {
    "resolution": (SMALLEST, LARGEST),
    "first": (0, LAST_EXAMPLE),
    "second": (0, LAST_EXAMPLE),
    "jpeg": (0, 95),
    "seed": (0, 9999),
    "steps": (1, 20),
    "noise_seed": (0, 9999),
    "map_seed": (0, 9),
    "chosen": (0, 9999),
}
REAL = {"blur": (0.0, 6.0), "noise": (0.0, 0.3), "illumination": (-1.0, 1.0), "occlusion": (0.0, 0.5)}
WORDS = {"tab": Tab, "whose": Whose, "method": Method, "colour": Colour, "target": Target}


@dataclass(frozen=True)
class View:
    """Everything the page shows, but for faces a user uploaded.

    Args:
        tab: the open tab.
        resolution: side in pixels of what the networks get, 6 to 112.
        first: number of the first embedded face, 0 to 59.
        second: number of the second.
        blur: see ``Degradation``, as for ``noise``, ``illumination`` and ``occlusion``.
        noise: standard deviation.
        jpeg: quality, or 0 for no compression.
        illumination: strength of uneven light.
        occlusion: share covered.
        seed: of the degradations.
        slow: also compare with the slower methods.
        whose: the face that super-resolution and attention look at.
        steps: of denoising.
        noise_seed: the first of the four seeds of super-resolution.
        target: what the attention explains: likeness to the face itself or to the other face.
        method: of the embedding map.
        colour: what colours its points.
        map_seed: of UMAP.
        chosen: the face whose neighbours and path are shown.
        selected: numbers of the faces selected in the map.

    Raises:
        GdrdError: a value is of the wrong kind or out of its range.
    """

    tab: Tab = "compare"
    resolution: int = 16
    first: int = 0
    second: int = 1
    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0
    illumination: float = 0.0
    occlusion: float = 0.0
    seed: int = 0
    slow: bool = False
    whose: Whose = "first"
    steps: int = 4
    noise_seed: int = 0
    target: Target = "itself"
    method: Method = "PCA"
    colour: Colour = "identity"
    map_seed: int = 0
    chosen: int = 0
    selected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Check every value once: they also come from links."""
        for name, (low, high) in WHOLE.items():
            object.__setattr__(self, name, int(_number(name, getattr(self, name), low, high)))
        for name, (least, most) in REAL.items():
            object.__setattr__(self, name, float(_number(name, getattr(self, name), least, most)))
        for name, kind in WORDS.items():
            if getattr(self, name) not in get_args(kind):
                raise GdrdError(
                    f"{name} cannot be {str(getattr(self, name))[:40]!r}", f"Choose {' or '.join(get_args(kind))}"
                )
        if not isinstance(self.selected, (tuple, list)) or len(self.selected) > MAX_SELECTED:
            raise GdrdError("The selection is no list of faces", f"Give at most {MAX_SELECTED} numbers")
        if not isinstance(self.slow, bool):
            raise GdrdError(f"slow cannot be {str(self.slow)[:40]!r}", "Choose true or false")
        chosen = tuple(int(_number("selected", item, 0, 9999)) for item in self.selected)
        object.__setattr__(self, "selected", chosen)

    @property
    def degradation(self) -> Degradation:
        """What happens to both faces."""
        return Degradation(self.resolution, self.blur, self.noise, self.jpeg or None, self.illumination, self.occlusion)

    @property
    def degraded(self) -> bool:
        """Whether anything but the resolution is changed."""
        return bool(self.blur or self.noise or self.jpeg or self.illumination or self.occlusion)

    @property
    def seeds(self) -> tuple[int, int]:
        """The degradation's seed of each face."""
        return self.seed, self.seed + 1

    def changes(self) -> dict[str, Any]:
        """Return the values that differ from a fresh page's."""
        fresh, mine = asdict(View()), asdict(self)
        return {name: value for name, value in mine.items() if value != fresh[name]}

    def to_json(self) -> str:
        """Write the whole state."""
        return json.dumps({"gdrd-view": 1, **asdict(self)}, indent=2)

    def to_query(self) -> str:
        """Write the state as the query of a link: ``?view={...}``, or nothing for a fresh page."""
        changes = self.changes()
        return f"?view={quote(json.dumps(changes, separators=(',', ':')), safe='')}" if changes else ""


def from_json(text: str) -> View:
    """Read what ``View.to_json`` or a link's ``view`` holds; what is left out is as on a fresh page.

    Raises:
        GdrdError: it is no such text, or a value is unknown or out of range.
    """
    try:
        found = json.loads(text[:20_000])
    except (ValueError, RecursionError) as error:
        raise GdrdError("This is no saved view", "Give the JSON or the link that the tab Take away made") from error
    if not isinstance(found, Mapping):
        raise GdrdError("This is no saved view", "Give the JSON or the link that the tab Take away made")
    values = {str(name): value for name, value in found.items() if name != "gdrd-view"}
    unknown = sorted(set(values) - {field.name for field in fields(View)})
    if unknown:
        raise GdrdError(f"A view has no {unknown[0][:40]!r}", "Give what this version of the page made")
    return replace(View(), **values)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise GdrdError(f"{name} cannot be {str(value)[:40]!r}", f"Give a number from {low:g} to {high:g}")
    return value
