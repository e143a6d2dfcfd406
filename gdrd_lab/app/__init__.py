"""The app: one module a tab. What a tab shows is a plain function of a ``View`` and two faces."""
