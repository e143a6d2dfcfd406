"""Figures with a text for each, in colours that colour-blind readers tell apart. Names are imported at first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
