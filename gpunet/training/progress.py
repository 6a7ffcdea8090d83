"""A progress bar on a terminal; silent when output goes elsewhere."""

from __future__ import annotations

import math
from typing import Any

from gpunet.training.history import History

# Formats before the first figures, while training, and at the end.
STARTING = "{desc} starting"
RUNNING = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"
ENDED = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, took {elapsed}{postfix}"


class ProgressBar:
    """Epoch, percentage, examples per second, time left, loss and accuracy, on one line.

    Parameters
    ----------
    shown : bool
    epochs, examples : int
        Epochs to run, and examples per epoch.
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
                desc=self._description(1),
                unit="ex",
                unit_scale=True,
                bar_format=STARTING,
                dynamic_ncols=True,
                disable=None,  # silent where output is not a terminal
            )

    def _description(self, epoch: int) -> str:
        return f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"

    @property
    def visible(self) -> bool:
        """Whether it is shown, on a terminal."""
        return self.bar is not None and not self.bar.disable

    @property
    def chunk_size(self) -> int:
        """Most examples between two updates of the bar."""
        return 10_000 if self.visible else 500_000

    def advance(self, examples: int, loss: float) -> None:
        """Count examples that have been trained on, with their mean loss."""
        if not self.visible:
            return
        if math.isfinite(loss):
            self._show(loss=loss)
        if self.bar.n == 0:
            # The first chunk includes compilation: its speed is not that of the others.
            self.bar.n = self.bar.initial = self.bar.last_print_n = examples
            self.bar.start_t = self.bar.last_print_t = self.bar._time()
            return
        self.bar.bar_format = RUNNING
        self.bar.update(examples)

    def epoch(self, history: History, accuracy: float | None) -> None:
        """Show the figures of an epoch that has ended."""
        self.done = history.epochs
        if not self.visible:
            return
        self._show(loss=history.loss[-1])
        if history.val_loss:
            self._show(val=history.val_loss[-1])
        if accuracy is not None:
            self._show(acc=accuracy)
        self.bar.set_description_str(self._description(min(self.done + 1, self.epochs)), refresh=False)

    def _show(self, **figures: float) -> None:
        for name, figure in figures.items():
            self.figures[name] = f"{figure:.3f}" if 0.001 <= figure < 1000 else f"{figure:.1e}"
        self.bar.set_postfix_str(", ".join(f"{name} {text}" for name, text in self.figures.items()), False)

    def close(self) -> None:
        """End the bar; its line stays."""
        if self.visible:
            self.bar.bar_format = ENDED
            self.bar.set_description_str(self._description(max(self.done, 1)), refresh=False)
        if self.bar is not None:
            self.bar.close()
