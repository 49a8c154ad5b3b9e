"""Generate the test vectors of both formats: ``v1.json`` and ``tsr4.json`` in ``spec/vectors``.

Vectors are edited in `spec.generator`, never in the JSON. From the root of the repository::

    python -m spec.make_vectors [DIRECTORY]

``spec/vectors/README.md`` describes the data.
"""

from __future__ import annotations

import sys
from pathlib import Path

from spec.generator import tsr4, v1

DOCUMENTS = {"v1.json": v1.document, "tsr4.json": tsr4.document}


def main(arguments: list[str]) -> None:
    """Write the vectors into a directory: by default, where they are committed."""
    directory = Path(arguments[0]) if arguments else Path(__file__).parent / "vectors"
    for name, document in DOCUMENTS.items():
        (directory / name).write_bytes(document().encode("ascii"))


if __name__ == "__main__":
    main(sys.argv[1:])
