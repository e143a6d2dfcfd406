"""The one exception a user sees: what is wrong, and what to do about it."""


class GdrdError(Exception):
    """An error with a remedy, shown to the user as one line: "what. do."

    Args:
        what: what is wrong, without a closing full stop.
        do: what the user can do about it, without a closing full stop.
    """

    def __init__(self, what: str, do: str) -> None:
        self.what = " ".join(what.split()).rstrip(".")
        self.do = " ".join(do.split()).rstrip(".")
        super().__init__(f"{self.what}. {self.do}.")
