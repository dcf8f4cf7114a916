"""One training loop for all jobs: deterministic, checkpointed, and it pauses after the step it is in.

A stage is resumed bitwise on CPU, because its state is all there is: the parts (weights, optimiser,
schedule), torch's random numbers and the number of the step. The order of the data is a permutation drawn
from (seed, stage, epoch), so it needs no state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from vispa_green_jobs.context import RunContext
from vispa_green_jobs.errors import JobError, Paused
from vispa_green_jobs.files import write_whole

VERSION = 1


class Stateful(Protocol):
    """What a checkpoint keeps: modules, optimisers, schedules."""

    def state_dict(self) -> Any:  # noqa: ANN401 - torch's own type
        """Return the state as tensors and plain values."""

    def load_state_dict(self, state: Any) -> Any:  # noqa: ANN401 - torch's own type
        """Take over a state."""


Step = Callable[[int, Tensor], float]
"""``step(number, rows)``: one optimiser step on these rows; returns the loss."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and with what to train. The rate rises over ``warmup``, then falls to nothing as a cosine."""

    steps: int
    batch: int
    learning_rate: float = 1e-3
    warmup: float = 0.1
    clip_norm: float = 1.0


def prepare(context: RunContext) -> None:
    """Fix what results depend on; call it once, before the first tensor."""
    torch.set_num_threads(context.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)


def seed_everything(context: RunContext, purpose: str) -> None:
    """Seed torch's global generator for one purpose, e.g. the initial weights of a network."""
    torch.manual_seed(context.seed_of(purpose))


def fit(
    context: RunContext,
    stage: str,
    model: nn.Module,
    loss: Callable[[Tensor], Tensor],
    rows: int,
    schedule: Schedule,
) -> list[float]:
    """Minimise ``loss(rows)`` over the model with Adam; return the loss of each step."""
    optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, schedule.learning_rate, total_steps=schedule.steps, pct_start=schedule.warmup
    )

    def step(_number: int, chosen: Tensor) -> float:
        optimiser.zero_grad(set_to_none=True)
        value = loss(chosen)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), schedule.clip_norm)
        optimiser.step()
        rate.step()
        return float(value.detach())

    parts = {"model": model, "optimiser": optimiser, "rate": rate}
    return train(context, stage, parts, step, rows, steps=schedule.steps, batch=schedule.batch)


def train(
    context: RunContext,
    stage: str,
    parts: Mapping[str, Stateful],
    step: Step,
    rows: int,
    *,
    steps: int,
    batch: int,
) -> list[float]:
    """Make ``steps`` steps, from the checkpoint if there is one; return the loss of each.

    A stage that is complete is not run again. Raise `Paused` after a step if that was wanted; the
    checkpoint is written then.
    """
    batch = min(batch, rows)
    seed_everything(context, f"{stage}: steps")
    path = context.checkpoint(stage)
    losses = _restored(path, parts)
    if path.exists() and len(losses) >= steps:
        return losses
    batches = _Batches(context, stage, rows, batch)
    saved_ns = context.now().monotonic_ns
    for number in range(len(losses), steps):
        losses.append(step(number, batches.rows_of(number)))
        context.steps_done += 1
        now_ns = context.now().monotonic_ns
        is_wanted = context.pause.wanted  # read once: a pause that was not saved would lose steps
        if is_wanted or now_ns - saved_ns >= context.checkpoint_every_s * 1e9:
            _save(path, parts, losses)
            saved_ns = now_ns
        if is_wanted and number + 1 < steps:
            raise Paused
    _save(path, parts, losses)
    return losses


class _Batches:
    """Which rows each step sees: an epoch is a permutation, its last, incomplete batch is left out."""

    def __init__(self, context: RunContext, stage: str, rows: int, batch: int) -> None:
        self._context, self._stage, self._rows, self._batch = context, stage, rows, batch
        self._per_epoch = rows // batch
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.long)

    def rows_of(self, number: int) -> Tensor:
        epoch, within = divmod(number, self._per_epoch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self._context.seed_of(f"{self._stage}: epoch {epoch}"))
            self._epoch, self._permutation = epoch, torch.randperm(self._rows, generator=generator)
        return self._permutation[within * self._batch : (within + 1) * self._batch]


def _restored(path: Path, parts: Mapping[str, Stateful]) -> list[float]:
    """Load a checkpoint into the parts, if there is one; return the losses so far."""
    if not path.exists():
        return []
    content = torch.load(path, weights_only=True)
    if content["version"] != VERSION or set(content["parts"]) != set(parts):
        raise JobError(f"{path} is the checkpoint of another program; remove it to start this stage again")
    for name, part in parts.items():
        part.load_state_dict(content["parts"][name])
    torch.set_rng_state(content["rng"])
    losses: list[float] = content["losses"].tolist()
    return losses


def _save(path: Path, parts: Mapping[str, Stateful], losses: Iterable[float]) -> None:
    content = {
        "version": VERSION,
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "rng": torch.get_rng_state(),
        "losses": torch.tensor(list(losses), dtype=torch.float64),
    }
    write_whole(path, lambda temporary: torch.save(content, temporary))
