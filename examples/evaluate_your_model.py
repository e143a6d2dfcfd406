"""Evaluate your own model beside SFace and the student, both faces at 8 and 16 px.

Run: python examples/evaluate_your_model.py  (or with --data lfw, a folder of identity folders, ...)
"""

import argparse

import torch

import gdrd_lab as gl


class MyModel:
    """Any object with these three attributes can be evaluated; put your network in the place of ``layers``."""

    name, embedding_size = "my model", 64
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 5, 2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(64)
    )

    def embed(self, faces: torch.Tensor) -> torch.Tensor:
        """Turn faces (N, 3, H, W), RGB in [0, 1], of any resolution into unit vectors (N, 64)."""
        return torch.nn.functional.normalize(self.layers(gl.resize(faces, 32)), dim=1)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", default="synthetic", help="faces of known people")
models = [MyModel(), gl.load_model("student"), gl.load_model("sface")]
print(gl.evaluate(models, gl.load_dataset(parser.parse_args().data), resolutions=[8, 16], settings=["same"]))
