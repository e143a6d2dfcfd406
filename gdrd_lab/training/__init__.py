"""Training: recipes, the stages and the loop. ``recipes`` is imported at first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["recipes"])
