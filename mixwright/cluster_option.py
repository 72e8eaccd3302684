"""The option `--cluster`: whose workers send a run's requests to models."""

from __future__ import annotations

import argparse


def add_cluster_option(parser: argparse.ArgumentParser) -> None:
    """Add `--cluster NAME`."""
    parser.add_argument(
        "--cluster",
        type=_named,
        metavar="NAME",
        help="have workers ask models and run verifiers: local:N for N processes of this machine, auto for "
        "the Ray cluster that it belongs to, or that one's address, HOST:PORT",
    )


def _named(text: str) -> str:
    from mixwright_runtime.cluster.named import local_count

    try:
        local_count(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
