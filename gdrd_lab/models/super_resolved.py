"""A recogniser that reads the generative teacher's output instead of a bicubic enlargement."""

import zlib

import torch
from torch import Tensor

from gdrd_lab.io.cache import fingerprint
from gdrd_lab.models.diffusion.pipeline import SuperResolutionPipeline
from gdrd_lab.models.recogniser import Recogniser, check_faces


class SuperResolved:
    """Super-resolves faces below the output's resolution, then embeds; noise follows from ``seed`` and pixels."""

    def __init__(
        self, pipeline: SuperResolutionPipeline, recogniser: Recogniser, steps: int = 1, seed: int = 0
    ) -> None:
        self.pipeline, self.recogniser, self.steps, self.seed = pipeline, recogniser, steps, seed
        self.name = f"{recogniser.name} on super-resolved"
        self.embedding_size = recogniser.embedding_size

    def fingerprint(self) -> str:
        """Return a name for the weights of both networks and the settings, see ``io.cache.fingerprint``."""
        pipeline = self.pipeline
        schedule = {name: value for name, value in pipeline.scheduler.config.items() if not name.startswith("_")}
        sizes = (pipeline.size, pipeline.unshuffle, pipeline.residual_scale, self.steps, self.seed)
        return fingerprint(pipeline.unet, schedule, self.recogniser, sizes)

    @torch.no_grad()
    def embed(self, faces: Tensor) -> Tensor:
        """Return unit embeddings (N, d) of the super-resolved faces (N, 3, r, r), RGB in [0, 1]."""
        faces = check_faces(faces)
        if faces.shape[-1] < self.pipeline.size:
            rounded = (faces * 255).round().clamp(0, 255).byte().cpu()
            seeds = [zlib.crc32(face.numpy().tobytes(), self.seed) for face in rounded]
            faces = self.pipeline(faces, steps=self.steps, seeds=seeds)
        return self.recogniser.embed(faces)
