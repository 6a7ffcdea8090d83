"""The progress of a run: a bar on a terminal and in Jupyter, a line per epoch where output goes elsewhere."""

from __future__ import annotations

import math
import sys
import time
import warnings
from typing import Any

from gpunet.training.history import History

# Formats before the first figures, while training, and at the end.
STARTING = "{desc} starting"
RUNNING = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"
ENDED = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt}, took {elapsed}{postfix}"
SPEED = "{rate_fmt}, "  # left out where metrics need the room


LINE_SECONDS = 1.0  # between two lines


class ProgressBar:
    """Epoch, percentage, examples per second, time left, loss and accuracy, on one line.

    Where standard error is neither a terminal nor a notebook, each epoch gets a line with its figures, but no more than
    one per second; the last epoch always has one.

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
        self.begun = False  # whether a chunk has been counted
        self.figures: dict[str, str] = {}
        self.metrics: dict[str, str] = {}
        notebook = in_notebook()
        shown = shown and (notebook or sys.stderr is not None)  # an application without a console has none
        self.lines = shown and not notebook and not sys.stderr.isatty()
        self.last_line = -math.inf  # when it was written
        self.unwritten = ""  # the figures of the last epoch, if they have no line yet
        if shown:
            if not notebook:
                from tqdm import tqdm
            self.bar = (notebook_bar() if notebook else tqdm)(
                total=epochs * examples,
                desc=self._description(1),
                unit="ex",
                unit_scale=True,
                bar_format=STARTING,
                dynamic_ncols=True,
                disable=False if notebook else None,  # None: silent where output is not a terminal
                file=sys.stdout if notebook else None,  # notebooks show standard error in red
            )

    def _description(self, epoch: int) -> str:
        return f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}"

    @property
    def visible(self) -> bool:
        """Whether it is shown, on a terminal."""
        return self.bar is not None and not self.bar.disable

    def begin_at(self, examples: int, history: History) -> None:
        """Begin with a run that has trained on so many examples already."""
        self.done = history.epochs
        if self.visible:
            self.bar.n = self.bar.initial = self.bar.last_print_n = examples
            self.bar.set_description_str(self._description(min(self.done + 1, self.epochs)), refresh=False)

    def advance(self, examples: int, loss: float) -> None:
        """Count examples that have been trained on, with their mean loss."""
        if not self.visible:
            return
        if math.isfinite(loss):
            self._show(loss=loss)
        if not self.begun:
            self.begun = True
            # The first chunk includes compilation: its speed is not that of the others.
            examples += self.bar.n
            self.bar.n = self.bar.initial = self.bar.last_print_n = examples
            self.bar.start_t = self.bar.last_print_t = self.bar._time()
            return
        self.bar.bar_format = self._format(RUNNING)
        self.bar.update(examples)

    def epoch(self, history: History, accuracy: float | None) -> None:
        """Show the figures of an epoch that has ended."""
        self.done = history.epochs
        if self.lines:
            self._epoch_line(history)
        if not self.visible:
            return
        self._show(loss=history.loss[-1])
        if history.val_loss:
            self._show(val=history.val_loss[-1])
        if accuracy is not None:
            self._show(acc=accuracy)
        self.metrics = {name: _text(values[-1]) for name, values in history.val_metrics.items()}
        self._show()
        self.bar.set_description_str(self._description(min(self.done + 1, self.epochs)), refresh=False)

    def _epoch_line(self, history: History) -> None:
        """Write the figures of the epoch that has ended, unless a line was written within a second."""
        figures = {"loss": history.loss[-1:], "val": history.val_loss[-1:], "acc": history.val_accuracy[-1:]}
        measured = [*figures.items(), *((name, values[-1:]) for name, values in history.val_metrics.items())]
        words = [f"{name} {_text(value[0])}" for name, value in measured if value]
        self.unwritten = f"{self._description(self.done)}: {', '.join(words)}"
        if time.monotonic() - self.last_line >= LINE_SECONDS:
            self._write_line()

    def _write_line(self) -> None:
        if self.unwritten:
            print(self.unwritten, file=sys.stderr, flush=True)
            self.unwritten, self.last_line = "", time.monotonic()

    def _show(self, **figures: float) -> None:
        self.figures |= {name: _text(figure) for name, figure in figures.items()}
        shown = [f"{name} {text}" for name, text in (*self.figures.items(), *self.metrics.items())]
        self.bar.set_postfix_str(", ".join(shown), refresh=False)

    def _format(self, text: str) -> str:
        return text.replace(SPEED, "") if self.metrics else text

    def close(self) -> None:
        """End the bar; its line stays. The last epoch gets its line."""
        self._write_line()
        if self.visible:
            self.bar.bar_format = self._format(ENDED)
            self.bar.set_description_str(self._description(max(self.done, 1)), refresh=False)
        if self.bar is not None:
            self.bar.close()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    library = sys.modules.get("IPython")
    shell = None if library is None else library.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config


def notebook_bar() -> Any:
    """The bar of notebooks: a widget, or text where ipywidgets is not installed."""
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TqdmWarning)  # that ipywidgets is not installed
        from tqdm.auto import tqdm

    return tqdm


def _text(figure: float) -> str:
    """Three decimals, or an exponent for what is too small or large for them."""
    return f"{figure:.3f}" if figure == 0 or 0.001 <= abs(figure) < 1000 else f"{figure:.1e}"
