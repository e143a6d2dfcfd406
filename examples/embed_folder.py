"""Embed a folder of photographs: one vector of 128 numbers for each face.

Run: python examples/embed_folder.py photographs embeddings.npz
"""

import argparse

import numpy as np

import gdrd_lab as gl

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", help="photographs, alone or in a folder for each person")
parser.add_argument("out", help=".npz file to write")
arguments = parser.parse_args()

options = gl.ReadOptions(face_selection="largest", skip_unreadable=True)
faces = gl.load_dataset(arguments.folder, options=options)  # detects and aligns what is not aligned
embeddings = gl.embed_all(gl.load_model("student"), faces)
np.savez(arguments.out, embeddings=embeddings, keys=list(faces.keys), labels=faces.labels)
print(f"{len(faces)} faces, {embeddings.shape[1]} numbers each: {arguments.out}")
