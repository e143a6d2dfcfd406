"""`gdrd data`: pack any face source into shards for training at scale, and check packed shards."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command and its actions."""
    command = commands.add_parser("data", help="pack faces into shards for large trainings, or check shards")
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)

    pack = actions.add_parser(
        "pack",
        help="write WebDataset shards of aligned faces",
        description="Write WebDataset shards of aligned faces with an index and a manifest of checksums. Run the same "
        "command again to go on after an interruption.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    pack.add_argument(
        "source", help="folder, InsightFace train.rec or .bin, saved Hugging Face dataset, shards, or a set's name"
    )
    pack.add_argument("out", type=Path, help="folder that receives the shards")
    pack.add_argument("--faces-per-shard", type=int, default=5000, help="images tried per shard")
    pack.add_argument("--quality", type=int, default=95, help="JPEG quality of newly aligned faces; 0: PNG, no loss")
    pack.add_argument("--embed", metavar="TEACHER", help="also cache this recogniser's embeddings: sface")
    pack.add_argument("--workers", type=int, default=2, help="processes")
    pack.add_argument(
        "--several", choices=("refuse", "largest", "central"), default="refuse", help="which of several faces to take"
    )
    pack.add_argument("--quiet", action="store_true", help="no progress bar")
    pack.set_defaults(run=run_pack)

    check = actions.add_parser("check", help="compare shards with their checksums")
    check.add_argument("folder", type=Path, help="folder that `gdrd data pack` wrote")
    check.add_argument("--quiet", action="store_true", help="no progress bar")
    check.set_defaults(run=run_check)


def run_pack(arguments: argparse.Namespace) -> None:
    """Pack and say what came of it."""
    from gdrd_lab.datasets.registry import is_plain_folder, load_dataset
    from gdrd_lab.datasets.shards.pack import FolderImages, PackConfig, pack

    face_selection = None if arguments.face_selection == "refuse" else arguments.face_selection
    source = Path(arguments.source)
    # Photographs of a folder are aligned one by one by the workers, not first into the cache.
    faces = (
        FolderImages(source, face_selection=face_selection)
        if is_plain_folder(source)
        else load_dataset(arguments.source, face_selection=face_selection, progress=not arguments.quiet)
    )
    config = PackConfig(arguments.faces_per_shard, arguments.quality, arguments.embed)
    manifest = pack(faces, arguments.out, config, arguments.workers, progress=not arguments.quiet)
    size = sum(entry["bytes"] for entry in manifest["shards"].values())
    print(
        f"{manifest['faces']:,} faces in {len(manifest['shards'])} shards, {size / 1e6:,.0f} MB in {arguments.out}; "
        f"{manifest['left_out']:,} images left out (see manifest.json)"
    )


def run_check(arguments: argparse.Namespace) -> None:
    """Check and name what is wrong."""
    from gdrd_lab.datasets.shards.manifest import check_pack
    from gdrd_lab.errors import GdrdError

    if wrong := check_pack(arguments.folder, progress=not arguments.quiet):
        raise GdrdError(
            f"{len(wrong)} shards are missing or changed, among them {wrong[0]}",
            "Delete them and run `gdrd data pack` again",
        )
    print(f"Every shard in {arguments.folder} is whole")
