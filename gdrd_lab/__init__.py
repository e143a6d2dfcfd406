"""GDRD Lab: distilling generative and discriminative representations for very-low-resolution face recognition.

``import gdrd_lab as gl`` gives the public interface. Its names are listed in ``__init__.pyi`` and imported at first
use, so that the import itself loads no other module of the package and changes nothing in the process.

Example:
    >>> import gdrd_lab as gl
    >>> student, faces = gl.load_model("student"), gl.load_dataset("synthetic")
    >>> low_resolution = gl.Degradation(16)(gl.to_tensor([faces[0], faces[1]]), seeds=[0, 1])
    >>> student.embed(low_resolution).shape
    torch.Size([2, 128])
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
