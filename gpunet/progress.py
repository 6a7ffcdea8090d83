"""A progress bar for people who are watching; silent when output is not a terminal."""

from __future__ import annotations

from typing import Any

from gpunet.history import History

FORMAT = "{desc} {percentage:3.0f}%|{bar}| {rate_fmt} {remaining}{postfix}"


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
        if shown:
            from tqdm import tqdm

            self.bar = tqdm(
                total=epochs * examples,
                desc=f"epoch 1/{epochs}",
                unit="ex",
                unit_scale=True,
                bar_format=FORMAT,
                dynamic_ncols=True,
                disable=None,  # not a terminal: say nothing
            )

    @property
    def visible(self) -> bool:
        """Whether anybody sees it."""
        return self.bar is not None and not self.bar.disable

    def advance(self, examples: int) -> None:
        """So many more examples have been seen."""
        if self.bar is not None:
            self.bar.update(examples)

    def epoch(self, history: History, accuracy: float | None) -> None:
        """An epoch has ended."""
        if not self.visible:
            return
        figures = {"loss": f"{(history.val_loss or history.loss)[-1]:.4f}"}
        if accuracy is not None:
            figures["acc"] = f"{accuracy:.4f}"
        self.bar.set_postfix(figures, refresh=False)
        self.bar.set_description_str(
            f"epoch {min(history.epochs + 1, self.epochs)}/{self.epochs}", refresh=True
        )

    def close(self) -> None:
        """Leave the line as it is."""
        if self.bar is not None:
            self.bar.close()
