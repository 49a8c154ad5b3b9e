"""The guided engine: atheris, which is libFuzzer with the coverage of Python code.

    python -m fuzz.guided TARGET [CORPUS...] [-libfuzzer_option=...]

A thin shell: it loads the package with what counts its branches, and hands target and mutator over.
"""

from __future__ import annotations

import shlex
import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["tsr", "session"]):
    from fuzz.mutators import mutator_of
    from fuzz.targets import TARGETS

__all__: list[str] = []


def _main() -> None:
    name = sys.argv.pop(1)
    # libFuzzer starts itself anew where it merges: by a shell, in which this is the command.
    sys.argv[0] = shlex.join([sys.executable, "-m", "fuzz.guided", name])
    target, mutator = TARGETS[name], mutator_of(name)
    random = Random()  # noqa: S311 - nothing here is a secret

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        # Mostly what libFuzzer does to any bytes, its dictionary included: that is quick.
        if seed % 4:
            return bytes(atheris.Mutate(data, size_max))
        random.seed(seed)
        return mutator(bytes(data), random)[:size_max]

    with atheris.instrument_imports(include=["tsr", "session"]):
        target(b"")  # imports what it needs
    atheris.Setup(sys.argv, target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    _main()
