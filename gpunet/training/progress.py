"""A progress bar for people who are watching; silent when output is not a terminal."""

from __future__ import annotations

import math
from typing import Any

from gpunet.training.history import History

# Before anything is measured, while training, and at the end.
STARTING = "{desc} starting"
RUNNING = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"
ENDED = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, took {elapsed}{postfix}"


class Bar:
    """Epoch, share done, examples per second, time left, loss and accuracy, on one line.

    Parameters
    ----------
    shown : bool
    epochs, examples : int
        Epochs to run, and examples an epoch.
    """

    def __init__(self, shown: bool, epochs: int, examples: int) -> None:
        self.bar: Any = None
        self.epochs = epochs
        self.done = 0
        self.figures: dict[str, str] = {}
        if shown:
            from tqdm import tqdm

            self.bar = tqdm(
                total=epochs * examples,
                desc=self._said(1),
                unit="ex",
                unit_scale=True,
                bar_format=STARTING,
                dynamic_ncols=True,
                disable=None,  # not a terminal: say nothing
            )

    def _said(self, epoch: int) -> str:
        return f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"

    @property
    def visible(self) -> bool:
        """Whether anybody sees it."""
        return self.bar is not None and not self.bar.disable

    @property
    def part(self) -> int:
        """Most examples between two looks at the bar."""
        return 10_000 if self.visible else 500_000

    def advance(self, examples: int, loss: float) -> None:
        """So many more examples have been seen, with this loss."""
        if not self.visible:
            return
        if math.isfinite(loss):
            self._show(loss=loss)
        if self.bar.n == 0:
            # The first part paid for compiling and warming up: it says nothing about the others' speed.
            self.bar.n = self.bar.initial = self.bar.last_print_n = examples
            self.bar.start_t = self.bar.last_print_t = self.bar._time()
            return
        self.bar.bar_format = RUNNING
        self.bar.update(examples)

    def epoch(self, history: History, accuracy: float | None) -> None:
        """An epoch has ended."""
        self.done = history.epochs
        if not self.visible:
            return
        self._show(loss=history.loss[-1])
        if history.val_loss:
            self._show(val=history.val_loss[-1])
        if accuracy is not None:
            self._show(acc=accuracy)
        self.bar.set_description_str(self._said(min(self.done + 1, self.epochs)), refresh=False)

    def _show(self, **figures: float) -> None:
        for name, figure in figures.items():
            self.figures[name] = f"{figure:.3f}" if 0.001 <= figure < 1000 else f"{figure:.1e}"
        self.bar.set_postfix_str(", ".join(f"{name} {said}" for name, said in self.figures.items()), False)

    def close(self) -> None:
        """Leave the line as it is."""
        if self.visible:
            self.bar.bar_format = ENDED
            self.bar.set_description_str(self._said(max(self.done, 1)), refresh=False)
        if self.bar is not None:
            self.bar.close()
