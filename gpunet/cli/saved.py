"""The saved network that a command line names."""

from __future__ import annotations

from argparse import Namespace

import gpunet as gn
from gpunet.cli.data import ARRAY_SUFFIXES
from gpunet.datasets.table_files import is_table_file


def saved_network(options: Namespace, backend: str) -> gn.Network:
    """The network of the argument NET, on a backend.

    Raises
    ------
    FileRefused
        If the file is none; one of data was probably named first by mistake.
    """
    try:
        return gn.load(options.net, backend)
    except gn.FileRefused as error:
        if is_table_file(str(options.net)) or options.net.suffix.lower() in ARRAY_SUFFIXES:
            raise gn.FileRefused(
                f"{options.net} is a file of data, and no saved network: the network comes first, as in gpunet "
                f"{options.command} NET {options.net if options.command != 'export' else 'OUT'}"
            ) from error
        raise
