"""``python -m tests.fuzz NAME [--seconds N]``: run one target under atheris (``pip install 'aigw[fuzz]'``).

A failure is written to ``crash-…`` in the present folder; mend it, and put the input into the target's corpus.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Run until the time is over, or something is found."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install 'aigw[fuzz]' (make fuzz does it)")
    with atheris.instrument_imports(include=["aigw"]):
        from tests.fuzz.targets import TARGETS
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--grow", action="store_true", help="write what is new into the corpus")
    options = parser.parse_args()
    seeds = CORPUS / options.target
    with tempfile.TemporaryDirectory() as found:
        folders = [str(seeds)] if options.grow else [found, str(seeds)]
        limits = [f"-max_total_time={options.seconds}", "-max_len=4096", "-timeout=20", "-rss_limit_mb=4096"]
        atheris.Setup([sys.argv[0], *limits, *folders], TARGETS[options.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
