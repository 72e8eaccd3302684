"""What the search for an endpoint's width costs and brings: rows a second with and without `max_in_flight`.

    python benchmarks/width_speed.py [--rows 4000] [--slots 100] [--latency-ms 100]

The server (`fake_server.py`) works on `--slots` requests at once and lets the others wait, as a model server does.
"""

from __future__ import annotations

import argparse

from asked_numbers import rows_a_second
from fake_server import ThreadedServer


def main() -> None:
    """Print a line for each width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--slots", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=100)
    options = parser.parse_args()
    rates = {}
    with ThreadedServer(text="ok ") as server:
        for stated in (16, options.slots, 256, None):
            server.fake.reset()
            server.fake.use({"latency_ms": options.latency_ms, "slots": options.slots})
            width = "" if stated is None else f", max_in_flight = {stated}"
            rates[stated] = rows_a_second(options.rows, f'base_url = "{server.url}"{width}')
            most = server.fake.stats["max_in_flight"]
            print(
                f"max_in_flight {stated or 'not stated':>10}: {rates[stated]:7.0f} rows/s, at most {most} at once"
            )
    print(
        f"not stated: {rates[None] / rates[options.slots]:.2f} of the best width, {rates[None] / rates[16]:.1f} times 16"
    )


if __name__ == "__main__":
    main()
