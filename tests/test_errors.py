"""A GdrdError reaches the user as one line, whichever process it comes from."""

import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from helpers import workers

from gdrd_lab.datasets.base import ArrayFaces
from gdrd_lab.errors import GdrdError
from gdrd_lab.training.data import StepBatches
from gdrd_lab.transforms.augmentation import AugmentConfig

LINE = "Face 3 is damaged. Replace it."


class DamagedFaces(ArrayFaces):
    def __getitem__(self, index: int) -> np.ndarray:
        raise GdrdError("Face 3\n is damaged.", "Replace it.")


def test_it_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(GdrdError("Face 3\n is damaged.", "Replace it.")))
    assert (type(error), error.what, error.do, str(error)) == (GdrdError, "Face 3 is damaged", "Replace it", LINE)


def test_it_is_one_line_from_a_process_pool() -> None:
    with ProcessPoolExecutor(1, workers.context) as pool, pytest.raises(GdrdError) as caught:
        pool.submit(workers.raise_error).result()
    assert str(caught.value) == LINE


@pytest.mark.parametrize("processes", [0, 1])
def test_it_is_one_line_from_a_data_loader(processes: int) -> None:
    faces = DamagedFaces(np.zeros((4, 8, 8, 3), np.uint8))
    batches = StepBatches(faces, 2, (4,), AugmentConfig(), seed=0, steps=1)
    with pytest.raises(GdrdError) as caught:
        next(batches.iterate(0, processes))
    assert str(caught.value) == LINE
