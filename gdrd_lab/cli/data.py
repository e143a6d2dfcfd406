"""`gdrd data`: pack any face source into shards for training at scale, and check packed shards."""

import argparse
from dataclasses import replace
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import DATA, add_quiet, add_reading, command, read_options


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command and its actions."""
    group = commands.add_parser("data", help="pack faces into shards for large trainings, or check shards")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)

    pack = command(actions, "pack", run_pack, "write WebDataset shards of aligned faces")
    pack.add_argument("data", help=DATA)
    pack.add_argument("out", type=Path, help="folder that receives the shards")
    pack.add_argument("--faces-per-shard", type=int, default=5000, help="images tried per shard")
    pack.add_argument("--shard-mb", type=float, metavar="N", help="megabytes of a shard, about, in place of a count")
    pack.add_argument("--side", type=int, metavar="PX", help="pack small: faces of this size as WebP of --quality (75)")
    pack.add_argument("--quality", type=int, help="JPEG quality of newly aligned faces (95); 0: PNG, no loss")
    pack.add_argument("--embed", metavar="TEACHER", help="also cache this recogniser's embeddings: sface")
    pack.add_argument("--workers", type=int, default=2, help="processes")
    add_reading(pack)
    add_quiet(pack)

    check = command(actions, "check", run_check)
    check.add_argument("folder", type=Path, help="folder that `gdrd data pack` wrote")
    add_quiet(check)


def run_pack(arguments: argparse.Namespace) -> None:
    """Write WebDataset shards of aligned faces with an index and a manifest of checksums.

    Run the same command again to continue after an interruption.
    """
    from gdrd_lab.datasets.shards.manifest import Source
    from gdrd_lab.datasets.shards.pack import PackConfig, faces_that_fit, pack

    quality = arguments.quality if arguments.quality is not None else 75 if arguments.side else 95
    config = PackConfig(arguments.faces_per_shard, quality, arguments.embed, arguments.side)
    source = Source(arguments.data, read_options(arguments))
    if arguments.shard_mb:
        config = replace(config, faces_per_shard=faces_that_fit(arguments.shard_mb, source.open(arguments.out), config))
    manifest = pack(source, arguments.out, config, arguments.workers, progress=not arguments.quiet)
    size = sum(entry["bytes"] for entry in manifest["shards"].values())
    print(
        f"{manifest['faces']:,} faces in {len(manifest['shards'])} shards, {size / 1e6:,.0f} MB in {arguments.out}; "
        f"{manifest['left_out']:,} images left out (see manifest.json)"
    )


def run_check(arguments: argparse.Namespace) -> None:
    """Compare shards with their checksums and with their source."""
    from gdrd_lab.datasets.shards.manifest import check_pack

    found = check_pack(arguments.folder, progress=not arguments.quiet)
    if found.damaged:
        what = f"{len(found.damaged)} shards are missing or changed, among them {found.damaged[0]}"
        raise gl.GdrdError(what, "Delete them and run `gdrd data pack` again")
    if found.outdated:
        what = f"The images of {len(found.outdated)} shards have changed since, among them {found.outdated[0]}"
        raise gl.GdrdError(what, "Run `gdrd data pack` again: it packs these shards again")
    agrees = " and agrees with its source" if found.compared else "; its source cannot be opened to compare with"
    print(f"Every shard in {arguments.folder} is whole{agrees}")
