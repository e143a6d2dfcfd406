"""`gdrd export`: a recogniser as one file for other runtimes."""

import argparse
import shutil
from pathlib import Path

import gdrd_lab as gl
from gdrd_lab.cli._options import command


def add(commands: argparse._SubParsersAction) -> None:
    """Describe the command."""
    text = "write a student as ONNX, 8-bit ONNX, a torch.export program, or a folder in half precision"
    parser = command(commands, "export", run, text)
    parser.add_argument("model", help="student (the shipped one), sface, or a student's or generative teacher's folder")
    parser.add_argument("out", type=Path, help="file to write, .onnx or .pt2; without a suffix a folder (float16)")
    parser.add_argument("--name", help="name in tables (students' folders)")
    parser.add_argument("--average-with", metavar="STUDENT", help="mean of the weights with those of its start")
    parser.add_argument("--share", type=float, default=0.5, help="of the model in the mean, the rest is the start's")
    parser.add_argument("--int8", action="store_true", help="quantise to 8 bits: a quarter of the size (.onnx)")
    parser.add_argument("--calibration", default="synthetic", help="faces that set the ranges of 8-bit activations")
    parser.add_argument("--resolution", type=int, default=16, help="resolution at which accuracies are compared")
    parser.add_argument("--quiet", action="store_true", help="no comparison")


def run(arguments: argparse.Namespace) -> None:
    """Write a recogniser as one file and compare it with the original on the synthetic faces.

    `gdrd embed` and `gdrd evaluate` accept the .onnx file as a model. A generative teacher becomes a folder.
    """
    from gdrd_lab.export import onnx as write
    from gdrd_lab.export.check import compare, show
    from gdrd_lab.io.atomic import atomic_folder
    from gdrd_lab.models.onnx import require_onnxruntime
    from gdrd_lab.models.student.average import average

    out = arguments.out
    kind = "" if out.suffix[1:].isdecimal() else out.suffix  # run-0.1 is a folder
    if not kind and (Path(arguments.model) / "model_index.json").is_file():
        generative = gl.load_generative(arguments.model)
        generative.unet.half()
        for part in (generative, generative.unet):
            part.register_to_config(_name_or_path="")  # diffusers would write the folder of this machine
        with atomic_folder(out) as folder:
            generative.save_pretrained(folder, safe_serialization=True)
            if (facts := Path(arguments.model, "facts.json")).is_file():  # who was held out
                shutil.copy(facts, folder)
        print(f"Generative teacher: {out}")
        return
    recogniser = gl.load_model(arguments.model)
    if arguments.average_with:
        start = gl.load_model(arguments.average_with)
        if not isinstance(start, gl.Student) or not isinstance(recogniser, gl.Student):
            raise gl.GdrdError("Only weights of two students can be averaged", "Leave out --average-with")
        recogniser = average(start, recogniser, arguments.share)
    if not kind and isinstance(recogniser, gl.Student):
        recogniser.name = arguments.name or recogniser.name
        recogniser.save(out, half=True)
        print(f"{recogniser.name}: {out}")
        return
    if kind == ".onnx" and not arguments.quiet:
        require_onnxruntime()  # the comparison needs it
    if kind == ".pt2" and not arguments.int8:
        write.export_program(recogniser, out)
    elif kind == ".onnx" and arguments.int8:
        write.export_int8(recogniser, out, gl.load_dataset(arguments.calibration))
    elif kind == ".onnx":
        write.export_onnx(recogniser, out)
    else:
        do = "Name a .onnx file (also with --int8), a .pt2 file, or for a student or generative teacher a folder"
        raise gl.GdrdError(f"{out} is not a kind of file to export to", do)
    print(f"{recogniser.name}: {out}, {out.stat().st_size / 1e6:.1f} MB")
    if not arguments.quiet:
        show(compare(recogniser, out, arguments.resolution))
