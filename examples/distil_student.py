"""Distil a student from its teachers, and score it on people that it was not trained on.

Run: python examples/distil_student.py --config smoke  (a minute; its scores mean nothing. --config cpu takes hours.)
"""

import argparse

import gdrd_lab as gl

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="synthetic", help="a folder of identity folders, shards, ...; not LFW")
parser.add_argument("--config", default="smoke", help="a recipe: smoke, cpu, best, assistant, paper or a JSON file")
parser.add_argument("--out", default="runs/example", help="folder of the run; the same command continues it")
arguments = parser.parse_args()

faces = gl.load_dataset(arguments.data, training=True)
training, held_out = gl.split_identities(faces, 0.2)
student = gl.train(gl.recipes.load_recipe(arguments.config), training, arguments.out)
print(gl.evaluate([student, gl.load_model("sface")], held_out, resolutions=[8, 16], settings=["same"]))
