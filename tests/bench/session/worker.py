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
            arrays = self.get_arrays(parameters, len(parameters.split()))
            self.send_arrays(*(-array for array in arrays or ()))
        else:
            return False
        return True


if __name__ == "__main__":
    Worker().run(sys.argv[1])
