"""What is learnt: a map from scores to bins, its histograms, and its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from vispa_green_binning.cells import Coordinates
from vispa_green_binning.errors import BinningError, MissingExtra
from vispa_green_binning.mixture import Mixture
from vispa_green_binning.sample import Floats, Labels, Sample, SampleLike, as_scores, is_histogram, sums

FORMAT = "vispa-green-binning"
VERSION = 1


class Counts(NamedTuple):
    """Sums of weights and of their variances per bin, both (bins,)."""

    values: Floats
    variances: Floats


class Bins(Protocol):
    """Anything that puts each event into exactly one of ``n_bins`` bins."""

    @property
    def n_bins(self) -> int:
        """How many bins there are."""

    def assign(self, scores: npt.ArrayLike) -> Labels:
        """Return the bin (events,) of each event, 0 to ``n_bins - 1``."""


@dataclass(frozen=True, slots=True)
class IntervalBinning:
    """Intervals of one score: bin k holds ``edges[k-1] <= score < edges[k]``; the outermost bins are open.

    ``edges`` are the inner boundaries, ascending. Nothing falls outside: the first bin starts at −∞.
    """

    kind: ClassVar[str] = "intervals"
    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.edges, float)
        if not np.isfinite(values).all() or (np.diff(values) <= 0).any():
            raise BinningError(f"boundaries must be finite and ascending, not {list(self.edges)}")

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return len(self.edges) + 1

    def assign(self, scores: npt.ArrayLike) -> Labels:
        """Return the bin (events,) of each event; higher scores are in higher bins."""
        points = as_scores(scores)
        _check_dimensions(points, 1)
        return np.searchsorted(np.asarray(self.edges), points[:, 0], side="right").astype(np.int64)

    def histogram(self, values: SampleLike, weights: npt.ArrayLike | None = None) -> Counts:
        """Return the sums per bin of an array of scores, a sample or a histogram."""
        if is_histogram(values):
            self._check_edges_of(values)
        return histogram(self, values, weights)

    def to_dict(self) -> dict[str, Any]:
        """Return what its file holds."""
        return {"edges": list(self.edges)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> IntervalBinning:
        """Read what `to_dict` wrote."""
        return cls(tuple(float(edge) for edge in content["edges"]))

    def _check_edges_of(self, given: Any) -> None:  # noqa: ANN401 - hist is optional, so it has no type here
        edges = np.asarray(given.axes[0].edges)
        inside = [edge for edge in self.edges if edges[0] < edge < edges[-1]]
        split = [edge for edge in inside if not np.isclose(edges, edge, rtol=1e-12, atol=0).any()]
        if split:
            raise BinningError(f"the histogram has no edge at {split[0]:g}, so its bin there would have to be split")


@dataclass(frozen=True, slots=True, eq=False)
class MixtureBinning:
    """The regions of a Gaussian mixture over several scores; each event is where its component is most likely."""

    kind: ClassVar[str] = "mixture"
    coordinates: Coordinates
    mixture: Mixture

    @property
    def n_bins(self) -> int:
        """How many bins there are."""
        return self.mixture.bins

    def assign(self, scores: npt.ArrayLike) -> Labels:
        """Return the bin (events,) of each event; bins were ordered by S/B when they were learnt."""
        points = as_scores(scores)
        _check_dimensions(points, len(self.coordinates.knots))
        return self.mixture.labels(self.coordinates(points))

    def histogram(self, values: SampleLike, weights: npt.ArrayLike | None = None) -> Counts:
        """Return the sums per bin of an array of scores, a sample or a histogram (its bins at their centres)."""
        return histogram(self, values, weights)

    def to_dict(self) -> dict[str, Any]:
        """Return what its file holds."""
        mixture = self.mixture
        arrays = (mixture.log_weights, mixture.means, mixture.log_scales, mixture.lower)
        names = ("log_weights", "means", "log_scales", "lower")
        return {
            "knots": self.coordinates.knots.tolist(),
            **{n: a.tolist() for n, a in zip(names, arrays, strict=True)},
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> MixtureBinning:
        """Read what `to_dict` wrote."""
        knots, *rest = (
            np.asarray(content[name], np.float64) for name in ("knots", "log_weights", "means", "log_scales", "lower")
        )
        mixture = Mixture(*rest)
        bins, dimensions = mixture.means.shape
        shapes = {(bins,): mixture.log_weights, (bins, dimensions, dimensions): mixture.lower}
        if knots.shape[:1] != (dimensions,) or any(shape != array.shape for shape, array in shapes.items()):
            raise ValueError("the shapes of its arrays do not belong together")
        return cls(Coordinates(knots), mixture)


Binning: TypeAlias = IntervalBinning | MixtureBinning
KINDS: dict[str, type[IntervalBinning | MixtureBinning]] = {
    "intervals": IntervalBinning,
    "mixture": MixtureBinning,
}


def histogram(bins: Bins, values: SampleLike, weights: npt.ArrayLike | None = None) -> Counts:
    """Return the sums of weights and variances per bin."""
    sample = Sample.of(values if weights is None else (values, weights))
    labels = bins.assign(sample.scores)
    return Counts(sums(labels, sample.weights, bins.n_bins), sums(labels, sample.variances, bins.n_bins))


def to_hist(counts: Counts, name: str = "bin") -> Any:  # noqa: ANN401 - hist is optional, so it has no type here
    """Return a ``hist.Hist`` over the bins' numbers, with weighted storage, as fits and plots take it."""
    try:
        import hist
    except ModuleNotFoundError as absent:
        raise MissingExtra("hist") from absent
    axis = hist.axis.Integer(0, len(counts.values), name=name, underflow=False, overflow=False)
    filled = hist.Hist(axis, storage=hist.storage.Weight())
    filled[...] = np.stack(counts, axis=-1)
    return filled


def save(binning: Binning, path: str | Path) -> None:
    """Write it as JSON; `load` gives exactly the same bins back."""
    content = {"format": FORMAT, "version": VERSION, "kind": binning.kind, **binning.to_dict()}
    Path(path).write_text(json.dumps(content, indent=1) + "\n")


def load(path: str | Path) -> Binning:
    """Read what `save` wrote."""
    try:
        content = json.loads(Path(path).read_text())
        if (content["format"], content["version"]) == (FORMAT, VERSION):
            return KINDS[content["kind"]].from_dict(content)
    except (ValueError, KeyError, TypeError) as error:
        raise BinningError(f"{path} holds no binning ({type(error).__name__}: {error})") from error
    raise BinningError(f"{path} holds no binning: it is not {FORMAT!r} of version {VERSION}")


def _check_dimensions(points: Floats, expected: int) -> None:
    if points.shape[1] != expected:
        raise BinningError(f"this binning is for {expected} scores per event, not {points.shape[1]}")
