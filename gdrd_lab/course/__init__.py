"""What the notebooks call: predictions, exercises and their checks, widgets, and figures with a static form."""
