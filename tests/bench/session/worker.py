"""The worker of a tsr session; run as a script."""

from __future__ import annotations

import sys

from tech_renaissance import TechRenaissanceServer


class Worker(TechRenaissanceServer):
    """Echoes text and negates arrays."""

    def main_logic(self, command: str, parameters: str) -> bool:
        if command == "echo":
            self.write_response("", parameters)
        elif command == "negate":
            self._negate(parameters)
        else:
            return False
        return True

    def _negate(self, names: str) -> None:
        import numpy as np

        for array in self.get_arrays(names, len(names.split())) or ():
            self.give_tensors(np.negative(array, out=array))


if __name__ == "__main__":
    Worker().run(sys.argv[1])
