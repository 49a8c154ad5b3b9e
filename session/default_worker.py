"""The worker that ``"default"`` names: it greets, echoes and computes.

Commands are told apart without regard to case. What cannot be computed is answered with
``invalid``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from session.message import split_names
from session.worker import TechRenaissanceServer

if TYPE_CHECKING:
    from session.arithmetic import Command

__all__ = ["DefaultWorker", "main"]


class DefaultWorker(TechRenaissanceServer):
    """A worker for text, and for arithmetic by the names of `session.arithmetic.COMMANDS`."""

    def main_logic(self, command: str, parameters: str) -> bool:
        """Greet, echo or compute."""
        name = command.lower()
        if name in ("hello", "hi"):
            self.write_response("", f"{name.title()} {parameters.title()}".rstrip())
            return True
        if name == "echo":
            self.write_response("", parameters)
            return True
        from session.arithmetic import COMMANDS  # here numpy comes in

        if name not in COMMANDS:
            return False
        self._compute(COMMANDS[name], parameters)
        return True

    def _compute(self, command: Command, parameters: str) -> None:
        import numpy as np

        count = len(split_names(parameters))
        arrays = self.get_arrays(parameters, count) if count in command.counts else None
        if arrays is None:
            self.write_response("", "invalid")
            return
        try:
            with np.errstate(all="ignore"):  # torch does not warn of them either
                result = command.compute(*arrays)
        except (ValueError, IndexError, RuntimeError) as error:
            self._service.log(str(error))
            self.write_response("", "invalid")
        else:
            self.send_tensors(result)


def main() -> None:
    """Serve the session that the command line names."""
    DefaultWorker().run(sys.argv[1])


if __name__ == "__main__":
    main()
