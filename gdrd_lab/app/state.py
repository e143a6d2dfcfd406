"""The state of the app as one frozen value, which JSON files, links and notebook cells are made from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlsplit

from gdrd_lab.errors import GdrdError
from gdrd_lab.evaluation.calibration import RESOLUTIONS
from gdrd_lab.transforms.degradation import Degradation

Tab = Literal["compare", "across", "search", "generate", "cam", "map", "download"]
LAST_EXAMPLE = 59
MAX_SELECTED = 1000
MARKS = (8, 16, 32, 64, 112)  # of the slider, in pixels
RATES = {"1 in 10": 0.1, "1 in 100": 0.01, "1 in 1,000": 0.001}
OLD_TABS = {"attention": "cam", "take": "download"}  # names in files and links of version 0.1.0


def _choice(label: str, *choices: Any, start: int = 0) -> Any:
    return field(default=choices[start], metadata={"label": label, "choices": choices})


def _number(
    label: str, default: Any, low: float, high: float, step: float | None = None, marks: tuple[int, ...] = ()
) -> Any:
    """Declare a number from ``low`` to ``high``; whole if ``default`` is; a slider if it has a step.

    A slider with marks is logarithmic.
    """
    return field(default=default, metadata={"label": label, "range": (low, high), "step": step, "marks": marks})


@dataclass(frozen=True)
class View:
    """Every setting of the app. Uploaded faces are not part of it. Each field has its label, range and choices."""

    tab: Tab = _choice("Tab", "compare", "across", "search", "generate", "cam", "map", "download")  # noqa: RUF009
    resolution: int = _number("Resolution (pixels)", 16, RESOLUTIONS[0], RESOLUTIONS[-1], 2, MARKS)
    first: int = _number("First synthetic face (20 people, 3 faces each)", 0, 0, LAST_EXAMPLE, 1)
    second: int = _number("Second synthetic face (20 people, 3 faces each)", 1, 0, LAST_EXAMPLE, 1)
    blur: float = _number("Blur (sigma, px)", 0.0, 0, 6, 0.1)
    noise: float = _number("Noise (sigma)", 0.0, 0, 0.3, 0.01)
    illumination: float = _number("Uneven illumination", 0.0, -1, 1, 0.01)
    occlusion: float = _number("Occluded share", 0.0, 0, 0.5, 0.01)
    camera: Literal["clean", "webcam", "surveillance"] = _choice("Camera", "clean", "webcam", "surveillance")
    jpeg: int = _number("JPEG quality (0: off)", 0, 0, 95, 5)
    seed: int = _number("Seed of noise, occlusion and camera", 0, 0, 9999)
    rate: str = _choice("False match rate (strangers taken for one person)", *RATES, start=1)
    third: str = field(default="none", metadata={"label": "Third method", "longest": 40})
    slow: bool = _choice("Include SFace on super-resolved faces, which is slow", False, True)
    whose: Literal["first", "second"] = _choice("Face (shared with the tab Where it looks)", "first", "second")
    steps: int = _number("Denoising steps", 1, 1, 20, 1)
    noise_seed: int = _number("First of four seeds", 0, 0, 9999)
    target: Literal["itself", "the other face"] = _choice("Explain the similarity to", "itself", "the other face")
    method: Literal["PCA", "UMAP"] = _choice("Projection (UMAP takes 10 s, at first a minute)", "PCA", "UMAP")
    colour: Literal["identity", "error", "resolution"] = _choice("Colour by", "identity", "error", "resolution")
    map_seed: int = _number("Seed of UMAP", 0, 0, 9)
    chosen: int = _number("Face whose neighbours and path are shown", 0, 0, 9999)
    selected: tuple[int, ...] = _number("Faces selected in the map", (), 0, 9999)

    def __post_init__(self) -> None:
        """Check every value, because links and files can hold anything."""
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "selected":
                if not isinstance(value, (tuple, list)) or len(value) > MAX_SELECTED:
                    raise GdrdError("The selection is not a list of faces", f"Give at most {MAX_SELECTED} numbers")
                value = tuple(_checked(item.name, one, item.metadata, int) for one in value)
            else:
                value = _checked(item.name, value, item.metadata, type(item.default))
            object.__setattr__(self, item.name, value)

    @property
    def degradation(self) -> Degradation:
        """The degradation of both faces."""
        light = self.illumination, self.occlusion
        return Degradation(self.resolution, self.blur, self.noise, self.jpeg or None, *light, self.camera)

    @property
    def far(self) -> float:
        """The false match rate as a share."""
        return RATES[self.rate]

    @property
    def degraded(self) -> bool:
        """Whether anything other than the resolution is changed."""
        return self.degradation != Degradation(self.resolution)

    @property
    def seeds(self) -> tuple[int, int]:
        """The seeds of the degradation of the two faces."""
        return self.seed, self.seed + 1

    def to_json(self) -> str:
        """Return all settings as JSON."""
        return json.dumps({"gdrd-view": 1, **asdict(self)}, indent=2)

    def to_query(self) -> str:
        """Return the settings that differ from the defaults as a query, ``?view={...}``; "" if none differs."""
        default = asdict(View())
        changes = {name: value for name, value in asdict(self).items() if value != default[name]}
        return f"?view={quote(json.dumps(changes, separators=(',', ':')), safe='')}" if changes else ""


def from_text(text: str | None) -> View:
    """Read a saved view: JSON, or a link that holds it. Missing settings, and an empty text, give the defaults."""
    text = (text or "").strip()
    if text.startswith(("http://", "https://", "?")):
        try:
            text = parse_qs(urlsplit(text).query)["view"][0]
        except (KeyError, ValueError) as error:
            raise GdrdError("This link holds no view", "Copy the link from the tab Download") from error
    try:
        found = json.loads(text[:20_000]) if text else {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise GdrdError("This is not a saved view", "Give the JSON or the link from the tab Download")
    values = {str(name): value for name, value in found.items() if name != "gdrd-view"}
    unknown = sorted(set(values) - {item.name for item in fields(View)})
    if unknown:
        raise GdrdError(f"A view has no setting {unknown[0][:40]!r}", "Give a view that this version of the app saved")
    if isinstance(values.get("tab"), str):
        values["tab"] = OLD_TABS.get(values["tab"], values["tab"])
    return replace(View(), **values)


def typed(name: str, value: Any) -> Any:
    """Return a setting as it is used when it was typed: a number is moved into its range; an empty field means 0."""
    item = next(item for item in fields(View) if item.name == name)
    number = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    if not number or "range" not in item.metadata:
        return value
    low, high = item.metadata["range"]
    inside = min(high, max(low, value or 0))  # NaN becomes the lowest value
    return round(inside) if isinstance(item.default, int) else inside


def _checked(name: str, value: Any, rules: Mapping[str, Any], kind: type) -> Any:
    shown = f"{name} cannot be {str(value)[:40]!r}"
    if "choices" in rules:
        if type(value) is not kind or value not in rules["choices"]:
            raise GdrdError(shown, f"Choose {' or '.join(str(choice).lower() for choice in rules['choices'])}")
        return value
    if "longest" in rules:
        if not isinstance(value, str) or not 0 < len(value) <= rules["longest"]:
            raise GdrdError(shown, "Give the name of a method")
        return value
    low, high = rules["range"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise GdrdError(shown, f"Give a number from {low:g} to {high:g}")
    if kind is int and value != int(value):
        raise GdrdError(shown, f"Give a whole number from {low:g} to {high:g}")
    return kind(value)
