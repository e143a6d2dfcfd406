"""GDRD Lab: distilling generative and discriminative representations for very-low-resolution face recognition.

The package backs the notebooks, the app and the command line. Importing it is cheap: import the submodule you need.
"""

__version__ = "0.1.0"
