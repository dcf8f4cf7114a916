"""What this package raises on purpose; each text says what to do next."""


class BinningError(ValueError):
    """Scores, weights, a file or a wish that no binning can follow."""


class MissingExtra(ImportError):
    """An optional package is not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'vispa-green[binning]'")
