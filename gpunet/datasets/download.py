"""Downloading published files once, into a cache of the user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


def download(
    name: str,
    title: str,
    files: Sequence[str],
    sums: Mapping[str, str],
    mirrors: Sequence[str],
) -> Path:
    """Bring the packed files of a data set into the user's cache, unless they lie there already.

    A file appears in the cache only when it is whole and its SHA-256 sum fits.

    Parameters
    ----------
    name, title : str
        The data set's folder in the cache, and what messages call it.
    files : sequence of str
        The files' names, without ``.gz``.
    sums : mapping
        From each name, with ``.gz``, to its SHA-256 sum.
    mirrors : sequence of str
        Addresses that a file's name is appended to; tried in turn.

    Returns
    -------
    Path
        The folder that holds the files.

    Raises
    ------
    ImportError
        If pooch is not installed.
    FileNotFoundError
        If no mirror gave a file with the right sum.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"downloading {title} needs pooch, which is not installed; install it with: "
            'pip install "gpunet[download]", or name a folder that holds the four IDX files '
            "(folder=..., or the environment variable GPUNET_DATA)"
        ) from error
    cache = Path(pooch.os_cache("gpunet")) / name
    for packed in (f"{file}.gz" for file in files):
        failures = []
        for mirror in mirrors:
            try:
                pooch.retrieve(mirror + packed, f"sha256:{sums[packed]}", packed, cache)
                break
            except (OSError, ValueError) as error:  # no answer, an error page, or a wrong sum
                failures.append(f"{mirror}: {error}")
        else:
            raise FileNotFoundError(
                f"could not download {packed} of {title} into {cache}: {'; '.join(failures)}; try "
                "again, or copy the four IDX files into a folder and name it (folder=..., or the "
                "environment variable GPUNET_DATA)"
            )
    return cache
