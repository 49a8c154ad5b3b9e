"""The exhaustive comparison: what should be there is, and no two times what need not be."""

from __future__ import annotations

import shutil
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, compress, count, islice, pairwise, product
from operator import ne
from pathlib import Path

import pytest

from spec.conformance import exhaustion
from spec.conformance.__main__ import main
from spec.conformance.vectors import cases
from tests.containers import resealed

ROOT = Path(__file__).parents[1]
CODEC = [sys.executable, "-m", "spec.conformance.codec"]
REFERENCE = [sys.executable, "-m", "spec.conformance.reference"]
JAVASCRIPT = ["node", "spec/js/conformance.mjs"] if shutil.which("node") else []

V1 = {case.name: case.data for case in cases(["v1"])}
TSR4 = {case.name: case.data for case in cases(["tsr4"])}
SMALL, COMPRESSED = V1["fp32-rank1"], TSR4["zlib-level-0"]
# Each file once, in their order.
FILES = list(dict.fromkeys([*V1.values(), *TSR4.values()]))


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where the commands are run from.
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def made(family: str, *formats: str) -> Iterator[bytes]:
    """Give all files of a family."""
    return exhaustion.families(formats or ("v1", "tsr4"))[family]


def neighbours(data: bytes) -> set[bytes]:
    """Replace each byte by each other value, the plain way."""
    return {
        data[:place] + bytes([value]) + data[place + 1 :]
        for place in range(len(data))
        for value in range(256)
    } - {data}


def a_bit_away(data: bytes) -> Iterator[bytes]:
    """Flip each bit, by arithmetic on the whole file as one number."""
    number, size = int.from_bytes(data, "little"), len(data)
    return ((number ^ 1 << bit).to_bytes(size, "little") for bit in range(8 * size))


# ------------------------------------------------------------------ what is made


@pytest.mark.parametrize("data", [SMALL, COMPRESSED, b"x"], ids=["v1", "tsr4", "one byte"])
def test_flips_and_values(data: bytes) -> None:
    """Every bit is flipped once, and every other value of a byte comes once."""
    places = range(len(data))
    flips = list(exhaustion.flips(data, places))
    values = list(exhaustion.byte_values(data, places))
    assert Counter(flips) == dict.fromkeys(a_bit_away(data), 1)
    assert Counter(flips + values) == dict.fromkeys(neighbours(data), 1)


def test_every_flip_of_every_vector() -> None:
    """Of no vector and no small original file a bit is left out; of the large one, some are."""
    (large,) = (data for data in FILES if len(data) > exhaustion.WHOLE_MAX)
    in_large = []

    def of_small_files() -> Iterator[bytes]:
        for data in made("flips"):
            if len(data) == len(large):
                in_large.append(next(compress(count(), map(ne, data, large))))
            else:
                yield data

    expected = (flip for data in FILES if data is not large for flip in a_bit_away(data))
    assert all(found == flip for found, flip in zip(of_small_files(), expected, strict=True))
    contents = 128 + 64 * int.from_bytes(large[16:20], "little")
    sampled = range(contents, len(large), exhaustion.STRIDE)
    assert {*range(contents), contents, len(large) - 1} <= {*in_large}
    assert len(sampled) < len({*in_large}) < len(large) / 2
    assert len(in_large) == 8 * len({*in_large})


def test_every_cut_of_every_vector() -> None:
    """Every beginning of every file comes exactly once."""
    distinct = set(FILES)
    expected = {data[:size] for data in distinct for size in range(len(data))}
    cuts = list(exhaustion.truncations(distinct))
    assert len(cuts) == len(set(cuts))
    # A beginning that is a whole file of its own is that file's.
    assert set(cuts) == expected - distinct
    assert list(made("cuts")) == cuts


def test_truncations_of_a_toy() -> None:
    """Files that begin alike, are beginnings of each other, or are empty, count once."""
    toys = [b"", b"abc", b"abd", b"ab", b"b"]
    assert sorted(exhaustion.truncations(toys)) == [b"a"]
    assert sorted(exhaustion.truncations([b"abc", b"abd"])) == [b"", b"a", b"ab"]


def test_every_value_of_headers_and_streams() -> None:
    """Every value of every byte of a header, an entry and a stream is there, flips apart."""
    missing: set[bytes] = set()
    for data, start, end in (
        (SMALL, 0, 64),
        (TSR4["raw-fp32"], 128, 192),
        (TSR4["raw-tensors-7"], 128, 320),
        (COMPRESSED, int.from_bytes(COMPRESSED[172:180], "little"), len(COMPRESSED)),
    ):
        part = data[start:end]
        several = neighbours(part) - {*a_bit_away(part)}
        assert len(several) == 247 * len(part)
        missing |= {data[:start] + changed + data[end:] for changed in several}
    missing -= {data for data in made("values") if data in missing}
    assert missing == set()


def test_sealed_headers() -> None:
    """Every value of every number in a header of TSR4 is there below its right CRC."""
    found = set(made("sealed"))
    base = TSR4["raw-fp32"]
    for place in (*range(4, 40), *range(44, 48)):
        for value in set(range(256)) - {base[place]}:
            assert resealed(base[:place] + bytes([value]) + base[place + 1 :]) in found
    for data in found:
        assert data == resealed(data)


# A file of two fields of one byte, one of four and a magic.
FIELDS = [exhaustion.Field(0, 4), exhaustion.Field(4, 1), exhaustion.Field(5, 1),
          exhaustion.Field(6, 4)]  # fmt: skip
TOY = b"MAGI\x01\x02\x03\0\0\0"


def test_all_pairs_of_a_toy() -> None:
    """Every two fields take every two interesting values, and no other field changes."""
    numbers = {
        field: [
            changed[field.offset : field.offset + field.size]
            for changed, edited in exhaustion.edited_fields(TOY, [field])
            if edited == {field.offset}
        ]
        for field in FIELDS
    }
    assert all(len(set(values)) == len(values) > 4 for values in numbers.values())
    assert all(TOY[one.offset : one.offset + one.size] not in numbers[one] for one in FIELDS)
    assert (2).to_bytes(4, "little") in numbers[FIELDS[3]]  # a neighbour of what is there
    assert b"\xff" in numbers[FIELDS[1]]
    assert b"TSR4" in numbers[FIELDS[0]]
    expected = set()
    for one, other in combinations(FIELDS, 2):
        for first, second in product(numbers[one], numbers[other]):
            changed = bytearray(TOY)
            changed[one.offset : one.offset + one.size] = first
            changed[other.offset : other.offset + other.size] = second
            expected.add((bytes(changed), frozenset({one.offset, other.offset})))
    pairs = [(data, frozenset(edited)) for data, edited in exhaustion.edited_pairs(TOY, FIELDS)]
    assert Counter(pairs) == dict.fromkeys(expected, 1)


def changed_in(data: bytes, base: bytes, fields: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Give the offsets of the fields that are not as they were."""
    return frozenset(start for start, end in fields if data[start:end] != base[start:end])


def between(*edges: int) -> list[tuple[int, int]]:
    """Give where fields begin and end that lie without gaps."""
    return list(pairwise(edges))


def test_pairs_of_version_1() -> None:
    """Any two fields of a header change at once, with and without the product that follows."""
    base = V1["fp32-rank2"]
    fields = between(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64)
    pairs = {data for data in made("pairs", "v1") if data[64:] == base[64:]}
    found = {changed_in(data, base, fields) for data in pairs}
    offsets = [start for start, _ in fields]
    assert {frozenset(pair) for pair in combinations(offsets, 2)} <= found
    # Two dimensions of 2 ** 31 - 1 and their product: only so V1-LIMIT-1 is reached.
    large = (2**31 - 1).to_bytes(4, "little") * 2
    assert base[:32] + large + struct.pack("<q", (2**31 - 1) ** 2) + base[48:] in pairs


def test_pairs_of_tsr4() -> None:
    """Any two fields of header and entry change at once, below a right CRC."""
    base = TSR4["raw-mixed"]  # its second entry is edited
    fields = between(0, 4, 6, 8, 12, 16, 20, 24, 32, 40, 44, 48, 128)
    entry = (0, 1, 4, 8, 12, 16, 20, 28, 36, 44, 52, 60, 64)
    fields += between(*(192 + offset for offset in entry))
    found, unsealed = set(), set()
    for data in made("pairs", "tsr4"):
        if len(data) == len(base):
            found.add(changed_in(data, base, fields))
            if data[:4] == b"TSR4" and data != resealed(data):
                unsealed.add(data[40:44])
    for pair in combinations([start for start, _ in fields], 2):
        # With a field of the header its CRC changes, unless there is nothing that it would be of.
        sealed = {40} if 0 < pair[0] < 128 else set()
        assert frozenset({*pair, *sealed}) in found, pair
    crc = exhaustion.Field(40, 4)
    assert unsealed == {data[40:44] for data, _ in exhaustion.edited_fields(base, [crc])}


def test_what_follows() -> None:
    """Sums and checksums are put right, but for those that were edited."""
    (v1,) = {exhaustion._follow_v1(b"\0" * 24 + struct.pack("<4iq16x", 2, 3, 5, 7, 9), {24})}
    assert struct.unpack_from("<q", v1, 40) == (210,)
    kept = exhaustion._follow_v1(v1[:40] + bytes(8) + v1[48:], {24, 40})
    assert struct.unpack_from("<q", kept, 40) == (0,)
    for name in ("raw-mixed", "zlib-three"):
        data = TSR4[name]
        assert exhaustion._follow_tsr4(data, set()) == data
        broken = bytearray(data)
        for entry in (128, 192, 256):
            struct.pack_into("<q", broken, entry + 20, 1)
            struct.pack_into("<QQ", broken, entry + 36, 2, 3)
        broken[32] ^= 1
        assert exhaustion._follow_tsr4(bytes(broken), set()) == data
        assert exhaustion._follow_tsr4(bytes(broken), {32})[32] == broken[32]
        left = exhaustion._follow_tsr4(bytes(broken), {40})
        assert left[40:44] == data[40:44]
        assert zlib.crc32(left[:40]) == zlib.crc32(data[:40])


# ------------------------------------------------------------------ running it


def test_repeatable() -> None:
    """The inputs are the same ones every time, and are made as they are asked for."""
    runs = [list(islice(exhaustion.exhaustive_files(), 70_000, 71_000)) for _ in range(2)]
    assert runs[0] == runs[1]


def test_count(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The families are counted without any program; shares add up to the whole."""

    def counted(*arguments: str) -> dict[str, int]:
        assert main(["--exhaustive", "--count", *arguments]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        return {name: int(count) for name, count in lines}

    whole = counted("--format", "v1")
    assert list(whole) == ["cuts", "fields", "flips", "pairs", "values", "all"]
    assert whole["all"] == sum(whole.values()) / 2
    assert whole["flips"] == 8 * sum(map(len, set(V1.values())))
    # Every tenth has all families, and is made once.
    part = list(islice(exhaustion.exhaustive_files(["v1"]), 0, None, 10))
    monkeypatch.setattr("spec.conformance.__main__.exhaustive_files", lambda formats: iter(part))
    counts = counted("--format", "v1")
    assert counts.keys() == whole.keys()
    shares = [counted("--format", "v1", "--share", f"{number}/3") for number in (1, 2, 3)]
    assert {name: sum(share[name] for share in shares) for name in counts} == counts
    assert max(share["all"] for share in shares) - min(share["all"] for share in shares) <= 1


ECHO = """
import json, os, sys
from spec.conformance.serving import serve
with open(sys.argv[1], "ab", 0) as log:
    def answer(data):
        log.write(data.hex().encode() + b"\\n")
        return {"clause": "V1-SIZE-1"}
    serve(answer)
"""


def test_shares_are_parts_of_the_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every N-th input beginning with the K-th, in order: what programs get in N shares is all."""
    program = tmp_path / "echo.py"
    program.write_text(ECHO)
    whole = [data for _, data in islice(exhaustion.exhaustive_files(["v1"]), 5000)]
    monkeypatch.setattr(
        "spec.conformance.__main__.exhaustive_files",
        lambda formats: islice(exhaustion.exhaustive_files(["v1"]), 5000),
    )
    for number in range(1, 8):
        log = tmp_path / f"{number}.log"
        share = ["--exhaustive", "--share", f"{number}/7"]
        assert main([*share, sys.executable, str(program), str(log)]) == 0
        assert f" of share {number}/7 in " in capsys.readouterr().out
        got = [bytes.fromhex(line) for line in log.read_text().splitlines()]
        assert got == whole[number - 1 :: 7]


def test_implementations_agree(capsys: pytest.CaptureFixture[str]) -> None:
    """The implementations agree on a small share, in which every family is."""
    commands = [*CODEC, "--", *REFERENCE, *(["--", *JAVASCRIPT] if JAVASCRIPT else [])]
    assert main(["--exhaustive", "--share", "11/1009", *commands]) == 0
    output = capsys.readouterr().out
    assert " of share 11/1009 in " in output
    assert " 0 disagreements" in output
    for family in ("flips", "cuts", "values", "sealed", "fields", "pairs"):
        assert f"\n  {family} " in output


WRONG = """
from spec.conformance.codec import answer as right
from spec.conformance.serving import serve
def answer(data):
    found = right(data)
    return {"clause": "V1-DIMS-1"} if found.get("clause") == "V1-LIMIT-1" else found
serve(answer)
"""


def test_disagreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What programs do not agree on is told and kept, by its family and number in the whole."""
    program = tmp_path / "wrong.py"
    program.write_text(WRONG)
    keep = tmp_path / "kept"
    arguments = ["--format", "v1", "--exhaustive", "--share", "3/199", "--keep", str(keep)]
    assert main([*arguments, *CODEC, "--", sys.executable, str(program)]) == 1
    output = capsys.readouterr().out
    kept = sorted(keep.iterdir())
    assert kept
    assert f"{len(kept)} disagreements" in output
    family, _, number = kept[0].stem.rpartition("-number-")
    again = next(islice(exhaustion.exhaustive_files(["v1"]), int(number), None))
    assert again == (family, kept[0].read_bytes())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--exhaustive"],
        ["--exhaustive", "--mutated", "5", "true"],
        ["--count"],
        ["--share", "1/2", "true"],
        ["--exhaustive", "--share", "0/2", "true"],
        ["--exhaustive", "--share", "3/2", "true"],
        ["--exhaustive", "--share", "2", "true"],
        ["--exhaustive", "--share", "1/x", "true"],
    ],
    ids=" ".join,
)
def test_usage(arguments: list[str]) -> None:
    """A wrong command line is no pass."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
