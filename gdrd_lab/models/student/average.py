"""A student between two others: the weighted mean of their weights."""

import torch

from gdrd_lab.errors import GdrdError
from gdrd_lab.models.recogniser import frozen
from gdrd_lab.models.student.model import Student


def average(start: Student, student: Student, share: float) -> Student:
    """Return the student with weights (1 - share) * start + share * student; counters are those of ``student``.

    It often keeps what the start does well and has most of what the student learned.
    Source: WiSE-FT, Wortsman et al. (arXiv 2109.01903), equation 1.

    Args:
        start: the student that training began with.
        student: the student after training, of the same shape; its name and metadata are kept.
        share: 0 (the start) to 1 (the student).

    Raises:
        GdrdError: other shapes, or a share outside 0 to 1.

    Example:
        >>> from gdrd_lab.models.registry import load_model
        >>> student = load_model("student")
        >>> average(student, student, 0.5).name
        'student'
    """
    if not 0 <= share <= 1:
        raise GdrdError(
            f"A share of {share:g} is not between 0 and 1", "Give the share of the trained student, such as 0.5"
        )
    if start.config != student.config:
        what = f"{start.name} and {student.name} have other shapes"
        raise GdrdError(what, "Average a student with the one that its training began with")
    mean, old = Student(student.config), start.state_dict()
    new = student.state_dict()
    mean.load_state_dict({k: torch.lerp(old[k], v, share) if v.is_floating_point() else v for k, v in new.items()})
    mean.name, mean.teacher_name = student.name, student.teacher_name
    mean.metadata = {**student.metadata, "averaged": {"with": start.name, "share": share}}
    return frozen(mean)
