"""Downloading published files once, into the user's cache."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from gpunet.datasets.published import FILES, Source
from gpunet.installation import install_command

LARGEST = 2**26  # bytes of a file; the published ones have less than half
TIMEOUT = 60  # seconds without an answer


def fetch(url: str, path: str, _: object = None) -> None:
    """Download a file to `path`, and no more of it than a published one may have.

    Raises
    ------
    OSError
        If it can't be downloaded.
    ValueError
        If it is too large.
    """
    size = 0
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer, open(path, "wb") as file:
        while chunk := answer.read(2**20):
            size += len(chunk)
            if size > LARGEST:
                raise ValueError(f"more than {LARGEST} bytes, the published file has fewer")
            file.write(chunk)


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
                known = f"sha256:{source.sums[packed]}"
                pooch.retrieve(mirror + packed, known, packed, cache, downloader=fetch)
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
