"""Sets of faces: opening them, aligning photographs, and pairs to verify."""

from gdrd_lab.faces.faceset import (
    ArrayFaces,
    FaceSet,
    batches,
    concatenate,
    require_pairs,
    split_identities,
    subset,
)
from gdrd_lab.faces.folder import FolderFaces
from gdrd_lab.faces.pairs import Pairs, random_pairs
from gdrd_lab.faces.sources import open_faces, training_faces

__all__ = [
    "ArrayFaces",
    "FaceSet",
    "FolderFaces",
    "Pairs",
    "batches",
    "concatenate",
    "open_faces",
    "random_pairs",
    "require_pairs",
    "split_identities",
    "subset",
    "training_faces",
]
