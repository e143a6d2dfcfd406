"""The app's page: one module per tab; what a tab shows is a plain function of a ``View`` and two faces."""

import os as _os

# Set before Gradio is imported anywhere: no look-ups of outside hosts.
_os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
