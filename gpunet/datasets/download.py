"""Downloading published files once, into the user's cache."""

from __future__ import annotations

from pathlib import Path

from gpunet.datasets.published import FILES, Source
from gpunet.installation import install_command


def download(source: Source) -> Path:
    """Download the compressed files of a data set into the user's cache, unless they are there already.

    A file appears in the cache only when it is complete and its SHA-256 sum matches.

    Parameters
    ----------
    source : Source
        The data set: file names, sums and mirrors.

    Returns
    -------
    Path
        The folder of the files.

    Raises
    ------
    ImportError
        If pooch is not installed.
    FileNotFoundError
        If no mirror had a file with the right sum.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"downloading {source.title} needs pooch, which is not installed; install it with: "
            f"{install_command('download')}, or give the folder of the four IDX files "
            "(folder=..., or the environment variable GPUNET_DATA)"
        ) from error
    cache = Path(pooch.os_cache("gpunet")) / source.name
    for packed in (f"{file}.gz" for file in FILES):
        failures = []
        for mirror in source.mirrors:
            try:
                pooch.retrieve(mirror + packed, f"sha256:{source.sums[packed]}", packed, cache)
                break
            except (OSError, ValueError) as error:  # no answer, an error page, or a wrong sum
                failures.append(f"{mirror}: {error}")
        else:
            raise FileNotFoundError(
                f"could not download {packed} of {source.title} into {cache}: {'; '.join(failures)}; try "
                "again, or copy the four IDX files into a folder and give it (folder=..., or the "
                "environment variable GPUNET_DATA)"
            )
    return cache
