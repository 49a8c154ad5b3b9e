"""``tsr completion``: a shell's name -> the script that completes commands and files in it.

shtab makes it, from the parsers of all commands. The script needs neither it nor Python, so that
to press Tab costs nothing; it stays as it is until the command is run again.
"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import TYPE_CHECKING, Any

from tsr.cli.arguments import command_parser
from tsr.cli.report import Report
from tsr.errors import MissingExtraError
from tsr.extras import require

if TYPE_CHECKING:
    from argparse import Action, Namespace
    from collections.abc import Mapping

    from tsr.cli.dispatch import Parsers

__all__ = ["SHELLS", "parser", "run", "whole_parser"]

SHELLS = ("bash", "zsh", "fish")

_DESCRIPTION = """\
Print a script that has a shell complete what begins with tsr: commands, options, their values,
and files. Run it anew after an update of the package."""

_EXAMPLES = """\
  tsr completion bash > ~/.local/share/bash-completion/completions/tsr
  tsr completion zsh > ~/.zsh/completions/_tsr    # a folder of $fpath
  tsr completion fish > ~/.config/fish/completions/tsr.fish
  source <(tsr completion bash)    # for this shell only; zsh: eval "$(tsr completion zsh)\""""

# What stands for an argument in the help says what it is.
_FILES = {"A", "B", "DST", "FILE", "OUT", "PATH", "SRC", "WORKER"}
_FOLDERS = {"FOLDER"}

# Where the script finds nothing, bash looks for files as it does for other commands: it knows
# names with blanks, variables and the folders of users. The functions of shtab do not, and would
# find others for the last word of such a name.
_BASH_END = """
_shtab_compgen_files() { compgen -f -- "$1"; }
_shtab_compgen_dirs() { compgen -d -- "$1"; }
complete -o bashdefault -o default -F _shtab_tsr tsr"""

# To zsh this says that there may be several, where shtab's says that there is one.
_ZSH_ONE = re.compile(r'^  "\(\*\)::?', re.MULTILINE)
_ZSH_SEVERAL = '  "*:'


def parser() -> ArgumentParser:
    """Make the parser of the arguments."""
    made = command_parser("completion", _DESCRIPTION, _EXAMPLES)
    made.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")
    return made


def run(options: Namespace) -> int:
    """Print the script and give the exit code."""
    report = Report()
    try:
        shtab = require("shtab", "cli", "tsr completion")
    except MissingExtraError as error:
        report.add(error)
        return report.code
    script = shtab.complete(whole_parser(shtab), options.shell)
    if options.shell == "bash":
        script += _BASH_END
    elif options.shell == "zsh":
        script = _ZSH_ONE.sub(_ZSH_SEVERAL, script)
    print(script)
    return 0


def whole_parser(shtab: Any) -> ArgumentParser:
    """Make one parser of all commands, which knows where files stand. To run one makes its own."""
    from tsr.cli.dispatch import COMMANDS, add_options, command_parsers

    whole = ArgumentParser("tsr", description="Look into .tsr files.")
    add_options(whole)
    _add_commands(whole, COMMANDS, command_parsers(), shtab)
    return whole


def _add_commands(
    whole: ArgumentParser, commands: Mapping[str, str], parsers: Parsers, shtab: Any
) -> None:
    added = whole.add_subparsers()
    for name, does in commands.items():
        found = parsers[name]
        if isinstance(found, ArgumentParser):
            for action in found._actions:
                _mark(action, shtab)
            # It has --help already.
            added.add_parser(name, help=does, parents=[found], add_help=False)
        else:
            _add_commands(added.add_parser(name, help=does), *found, shtab)


def _mark(action: Action, shtab: Any) -> None:
    # shtab looks for this attribute.
    if action.metavar in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif action.metavar in _FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
