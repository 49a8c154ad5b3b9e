"""The mutation tester: what it changes in a module, what survives, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fuzz.mutants import mutants
from fuzz.mutation import main

TOY = '''
"""A module to be judged."""

from __future__ import annotations

LIMIT = 3


def is_small(number: int) -> bool:
    """Tell whether a number is small."""
    return number < LIMIT
'''

WEAK = """
from toys.toy import is_small


def test_small() -> None:
    assert is_small(2)
    assert not is_small(4)
"""

STRONG = (
    WEAK
    + """

def test_limit() -> None:
    assert not is_small(3)
    assert is_small(-1)
"""
)


def changed(source: str) -> set[str]:
    """List what becomes of a piece of code."""
    return {mutant.mutant for mutant in mutants(source, "toy.py")}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("f(3)", {"f(2)", "f(4)", "f(0)", "f(1)", "pass", "3"}, id="number"),
        pytest.param("x = 1", {"x = 0", "x = 2", "pass"}, id="one"),
        pytest.param("x = y / z", {"x = y", "x = z", "pass"}, id="division"),
        pytest.param("x = True", {"x = False", "pass"}, id="truth"),
        pytest.param("x = 'a'", {"x = 'XXaXX'", "pass"}, id="text"),
        pytest.param("x = b''", {"x = b'XX'", "pass"}, id="bytes"),
        pytest.param("x = None", {"x = 0", "pass"}, id="none"),
        pytest.param("x = a < b", {"x = a <= b", "x = a != b", "pass"}, id="less"),
        pytest.param("x = a == b", {"x = a <= b", "x = a >= b", "x = a != b", "pass"}, id="equal"),
        pytest.param("x = a is None", {"x = a is not None", "pass"}, id="is"),
        pytest.param(
            "x = a in (b, c)",
            {"x = a not in (b, c)", "x = a in (c,)", "x = a in (b,)", "pass"},
            id="in",
        ),
        pytest.param(
            "x = a * b", {"x = a + b", "x = a // b", "x = a", "x = b", "pass"}, id="product"
        ),
        pytest.param("x += a", {"x -= a", "x *= a", "pass"}, id="in-place"),
        pytest.param("x = a and b", {"x = a or b", "x = a", "x = b", "pass"}, id="and"),
        pytest.param(
            "x = a or b or c",
            {"x = a and b and c", "x = b or c", "x = a or c", "x = a or b", "pass"},
            id="or",
        ),
        pytest.param("x = not a", {"x = a", "pass"}, id="not"),
        pytest.param("x = a[b:c]", {"x = a[:c]", "x = a[b:]", "pass"}, id="slice"),
        pytest.param("f(a, b=c)", {"f(None, b=c)", "f(a)", "pass"}, id="arguments"),
        pytest.param("a.f()", {"a", "pass"}, id="method"),
        pytest.param(
            "x = f'a{b!r:c}'",
            {
                "x = f'XXaXX{b!r:c}'", "x = f'a'", "x = f'a{b:c}'", "x = f'a{b!r}'",
                "x = f'a{b!r:XXcXX}'", "pass",
            },
            id="f-string",
        ),
        pytest.param("raise a from b", {"raise a", "pass"}, id="cause"),
        pytest.param(
            "if a:\n    b()", {"if True", "if False", "pass"}, id="condition"
        ),
        pytest.param(
            "x = a if b else c", {"x = a if True else c", "x = a if False else c", "pass"},
            id="choice",
        ),
        pytest.param("x = [a for a in b if c]", {"x = [a for a in b]", "pass"}, id="filter"),
        pytest.param("for a in b:\n    del c", {"pass"}, id="loop"),
        pytest.param(
            "try:\n    f()\nexcept (a, b):\n    pass", {"pass", "(b,)", "(a,)"}, id="except"
        ),
        pytest.param("@a\ndef f(b=2): pass", {"f", "b=0", "b=1", "b=3"}, id="function"),
        pytest.param("class A:\n    a: int", {"pass"}, id="field"),
        pytest.param("def f():\n    return None", {"return 0"}, id="return-none"),
        pytest.param("def f():\n    return 7\n    del a", {
            "return 0", "return 1", "return 6", "return 8", "pass",
        }, id="return"),
        pytest.param(
            '"""Doc."""\nimport a\nfrom b import c\n__all__ = ["d"]\nif TYPE_CHECKING:\n    x = 1\n'
            'def f(a: 1) -> 2:\n    """Doc."""\n    g(a)',
            {"g(None)", "a", "pass"},
            id="no-behaviour",
        ),
    ],
)  # fmt: skip
def test_mutants(source: str, expected: set[str]) -> None:
    """Every kind of code has its faults; what is no behaviour has none."""
    assert changed(source) == expected


def test_a_mutant_is_told_from_others() -> None:
    """By its scope and its number among those that read the same; the line is only shown."""
    source = "class A:\n    def f(self):\n        g(1)\n        g(1)\n"
    found = [mutant[:5] for mutant in mutants(source, "toy.py") if mutant.mutant == "g(0)"]
    assert found == [("A.f", "g(1)", "g(0)", 1, 3), ("A.f", "g(1)", "g(0)", 2, 4)]


def test_a_mutant_has_one_fault() -> None:
    """Its code is the module with that fault and no other, whatever was made before it."""
    values = []
    for mutant in mutants("x = 3 - 1", "toy.py"):
        scope: dict[str, Any] = {}
        exec(mutant.code, scope)  # noqa: S102 - made of the line above
        values.append((mutant.mutant, scope.get("x")))
    assert values == [
        ("pass", None), ("x = 3 + 1", 4), ("x = 3", 3), ("x = 1", 1), ("x = 0 - 1", -1),
        ("x = 1 - 1", 0), ("x = 2 - 1", 1), ("x = 4 - 1", 3), ("x = 3 - 0", 3), ("x = 3 - 2", 1),
    ]  # fmt: skip


# ------------------------------------------------------------------ the whole of it

LESS_OR_EQUAL = ["return number < LIMIT", "return number <= LIMIT"]
FOUR = ["LIMIT = 3", "LIMIT = 4"]
GONE = ["no such code", "pass"]


def contents(tree: Path) -> dict[Path, bytes]:
    """Read all files below a directory."""
    return {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def judge(tree: Path, tests: str, *reasons: tuple[str, list[str]]) -> tuple[int, list[str], str]:
    """Judge the toy module; give the exit status, the lines of the output, and the report.

    Parameters
    ----------
    tree : path
    tests : str
        What judges it.
    reasons : sequence of tuple
        The scope of each mutant that may survive, and the mutant.
    """
    toys, fuzz = tree / "toys", tree / "fuzz"
    toys.mkdir()
    fuzz.mkdir()
    (toys / "toy.py").write_text(TOY, encoding="utf-8")
    (tree / "test_toy.py").write_text(tests, encoding="utf-8")
    given = [
        {"module": "toys/toy.py", "scope": scope, "reason": "a | b", "mutants": [mutant]}
        for scope, mutant in reasons
    ]
    (fuzz / "survivors.json").write_text(json.dumps(given), encoding="utf-8")
    before = contents(tree)
    command = ["-m", "fuzz.mutation", "toys/toy.py", "--tests", "test_toy.py", "--report"]
    ended = subprocess.run(
        [sys.executable, *command, f"--root={tree}", "--seconds=1"],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    after = contents(tree)
    report = after.pop(fuzz / "mutation.md", b"").decode()
    assert after == before, "only the report is written"
    return ended.returncode, (ended.stdout + ended.stderr).splitlines(), report


def test_strong_tests(tmp_path: Path) -> None:
    """Tests that notice every fault leave no survivor, and no reason for one."""
    status, lines, report = judge(tmp_path, STRONG, ("is_small", LESS_OR_EQUAL), ("", GONE))
    assert status == 1
    assert lines == [
        "fuzz/survivors.json: a reason without a survivor: toys/toy.py, is_small: "
        + json.dumps(LESS_OR_EQUAL),
        "fuzz/survivors.json: a reason without a survivor: toys/toy.py, the module: "
        + json.dumps(GONE),
    ]
    assert "\n| `toys/toy.py` | 8 | 8 | 0 | 0 |\n" in report
    assert "Survivors" not in report


def test_unknown_module(capsys: pytest.CaptureFixture[str]) -> None:
    """A module that nothing is said to judge is a wrong command line."""
    with pytest.raises(SystemExit) as caught:
        main(["tsr/heder.py"])
    assert caught.value.code == 2
    assert "no tests are known but for tsr/header.py, " in capsys.readouterr().err


def test_weak_tests(tmp_path: Path) -> None:
    """What tests do not notice is told with its place, unless there is a reason for it."""
    status, lines, report = judge(tmp_path, WEAK, ("is_small", LESS_OR_EQUAL))
    assert status == 1
    assert lines == [
        "toys/toy.py:6: survives without a reason: toys/toy.py, the module: " + json.dumps(FOUR)
    ]
    assert "\n| `toys/toy.py` | 8 | 6 | 0 | 2 |\n" in report
    assert "\n| the module | `LIMIT = 3` | `LIMIT = 4` | **no reason** |\n" in report
    assert (
        "\n| `is_small` | `return number < LIMIT` | `return number <= LIMIT` | a | b |\n" in report
    )


def test_weak_tests_for_a_reason(tmp_path: Path) -> None:
    """Where each survivor has a reason, all is well."""
    status, lines, _ = judge(tmp_path, WEAK, ("is_small", LESS_OR_EQUAL), ("", FOUR))
    assert (status, lines) == (0, ["every mutant is killed, or survives for a reason"])


def test_tests_that_fail_anyway(tmp_path: Path) -> None:
    """Tests that fail without a fault judge nothing: their output is shown."""
    status, lines, report = judge(tmp_path, STRONG.replace("not is_small(4)", "is_small(4)"))
    assert (status, report) == (1, "")
    assert lines[0] == "toys/toy.py: tests fail without a fault"
    assert "assert is_small(4)" in "\n".join(lines)


def test_a_fault_that_never_ends(tmp_path: Path) -> None:
    """A fault may keep the processor busy for ever: it is killed when its time is up."""
    tests = STRONG.replace("assert not is_small(4)", "while is_small(4):\n        pass")
    status, _, report = judge(tmp_path, tests)
    assert status == 0
    assert "\n| `toys/toy.py` | 8 | 7 | 1 | 0 |\n" in report
