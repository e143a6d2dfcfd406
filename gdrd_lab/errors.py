"""The one exception that a user sees: what is wrong, and what to do about it."""


class GdrdError(Exception):
    """An error with a remedy, shown to the user as one line: "what. do."

    It can be pickled, so a worker process can hand it to the process that started it.

    Args:
        what: what is wrong, without a closing full stop.
        do: what the user can do about it, without a closing full stop.

    Example:
        >>> print(GdrdError("The folder faces/ is empty", "Give a folder with images"))
        The folder faces/ is empty. Give a folder with images.
    """

    def __init__(self, what: str, do: str) -> None:
        self.what = " ".join(what.split()).rstrip(".")
        self.do = " ".join(do.split()).rstrip(".")
        super().__init__(f"{self.what}. {self.do}.")

    def __reduce__(self) -> "tuple[type[GdrdError], tuple[str, str]]":
        """Rebuild from both parts: pickle's default passes the finished line alone, which __init__ does not take."""
        return type(self), (self.what, self.do)
