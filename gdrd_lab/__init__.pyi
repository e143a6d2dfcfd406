# The public names, each said once: type checkers read this file, and `lazy_loader` finds each name by it at first use.
from . import losses as losses
from .alignment import align as align
from .alignment.yunet import Aligner as Aligner
from .datasets.base import ArrayFaces as ArrayFaces
from .datasets.base import FaceDataset as FaceDataset
from .datasets.base import ReadOptions as ReadOptions
from .datasets.base import to_images as to_images
from .datasets.base import to_tensor as to_tensor
from .datasets.embed import EmbedOptions as EmbedOptions
from .datasets.embed import embed_all as embed_all
from .datasets.pairs import random_pairs as random_pairs
from .datasets.registry import load_dataset as load_dataset
from .datasets.split import split_identities as split_identities
from .datasets.synthetic import synthetic_faces as synthetic_faces
from .errors import GdrdError as GdrdError
from .evaluation.compare import compare as compare
from .evaluation.evaluate import evaluate as evaluate
from .models.diffusion.pipeline import load_generative as load_generative
from .models.recogniser import Recogniser as Recogniser
from .models.registry import list_models as list_models
from .models.registry import load_model as load_model
from .models.registry import load_models as load_models
from .models.student.model import Student as Student
from .training import recipes as recipes
from .training.config import Recipe as Recipe
from .training.pipeline import train as train
from .transforms.degradation import Degradation as Degradation
from .transforms.resize import downscale as downscale
from .transforms.resize import resize as resize

__version__: str
