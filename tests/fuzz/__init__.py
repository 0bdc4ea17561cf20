"""Fuzz targets: each parser of bytes that come from a client, an upstream or a file.

``python -m tests.fuzz`` lists them, ``python -m tests.fuzz NAME --seconds 600`` runs one. ``tests/fuzz/corpus/NAME``
has the inputs from which a run starts: shapes that the parser knows, and whatever once broke it. ``tests.unit`` plays
all of them (``test_fuzz_corpus``), so what was found stays found.
"""
