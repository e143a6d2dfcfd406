"""What the lessons call: predictions, exercises and their checks, widgets, and small networks that train in a minute.

The names below are imported at first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
