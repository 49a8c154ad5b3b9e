"""The parser that Kaitai Struct makes of ``spec/tsr.ksy``, under the protocol.

``python -m spec.conformance.kaitai``. The parser is made anew at each start and read into memory;
`unavailable` tells what that lacks. Inputs come in and answers go out as ``spec/conformance.md``
says. What the parser finds wrong is its own judgement, and ``tsr.ksy`` says which clause that is.
What Kaitai Struct has no words for is judged here: zlib streams behind their first two bytes, and
the CRC-32 of elements. Answers that rest on that have ``by``: ``"adapter"``. `RuntimeError` is
raised where the parser cannot be made.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zlib
from importlib.machinery import SourceFileLoader
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from spec.conformance.serving import accepted, refused, serve

__all__ = ["Adapter", "node_modules", "unavailable"]

DESCRIPTION = Path(__file__).parents[1] / "tsr.ksy"
COMPILE = Path(__file__).with_name("kaitai_compile.cjs")
PACKAGES = {"kaitai-struct-compiler": "kaitai-struct-compiler@0.11.0", "js-yaml": "js-yaml"}

_DTYPES = {"fp32": "float32", "fp16": "float16", "int8": "int8", "int32": "int32"}


def unavailable() -> str:
    """Tell what is missing for a parser to be made, and how to install it; or nothing."""
    if importlib.util.find_spec("kaitaistruct") is None:
        return "kaitaistruct is not installed: pip install 'kaitaistruct>=0.11'"
    if shutil.which("node") is None:
        return "node is not installed, which the compiler of Kaitai Struct runs on"
    if not all(any((path / name).is_dir() for path in node_modules()) for name in PACKAGES):
        return (
            "the compiler of Kaitai Struct is not installed: npm install --no-save "
            f"--prefix {sys.prefix} {' '.join(PACKAGES.values())}"
        )
    return ""


def node_modules() -> list[Path]:
    """Tell where node looks for packages; those of a virtual environment are within it."""
    given = os.environ.get("NODE_PATH", "").split(os.pathsep)
    return [*(Path(path) for path in given if path), Path(sys.prefix) / "node_modules"]


class Adapter:
    """The generated parser, and what is judged behind it.

    Attributes
    ----------
    description : dict
        ``spec/tsr.ksy``.

    Raises
    ------
    RuntimeError
        Something is missing, or the compiler refuses the description.
    """

    def __init__(self) -> None:
        if missing := unavailable():
            raise RuntimeError(missing)
        self._parser, self.description = _make_parser()
        # Only now: what is missing has been said in other words than those of an import.
        from kaitaistruct import KaitaiStream, ValidationFailedError

        self._stream, self._invalid = KaitaiStream, ValidationFailedError

    def answer(self, data: bytes) -> dict[str, Any]:
        """Judge an input with the generated parser, and all of its tensors in their order."""
        part = file = self._parser(self._stream(BytesIO(data)))
        try:
            file._read()
            if not file.is_tsr4:
                return _accepted_v1(file.v1)
            tensors = []
            for part in file.tsr4.payloads:
                # Parsed here and not before: a fault in a payload comes before one behind it.
                part.padding, part.stream_start  # noqa: B018
                clause, elements = _elements(part)
                if clause:
                    return _refused_payload(clause, part)
                tensors.append((_DTYPES[part.entry.dtype.name], part.entry.shape, elements))
        except self._invalid as error:
            return self._refused(error.src_path, _stopped(part))
        return _by_adapter(accepted("tsr4", tensors))

    def _refused(self, path: str, part: Any) -> dict[str, Any]:
        # What tsr.ksy says of a check that failed, and of the place where it did.
        keys = path.split("/")[1:]
        type_of_part, declared = self.description["types"][keys[1]], self.description
        for key in keys:
            declared = declared[int(key) if isinstance(declared, list) else key]
        # The compiler's names for where things are, of which instances have another start.
        spans = {name.removeprefix("_m_"): span for name, span in part._debug.items()}
        own = declared.get("id", keys[-1])
        is_list = "arr" in spans[own]
        field = declared.get("-field", own + "[j]" * is_list)
        if "-offset" in declared:
            offset = getattr(part, declared["-offset"])
        else:
            span = spans.get(field.removesuffix("[j]"), spans[own])
            offset = (span["arr"][_last(spans[own])] if is_list else span)["start"]
        name = type_of_part.get("-of", "") + field
        if is_list:
            name = name.replace("[j]", f"[{_last(spans[own])}]")
        if hasattr(part, "index"):
            name = name.replace("[i]", f"[{part.index}]")
        return refused(declared["-clause"], name, offset)


def _make_parser() -> tuple[Any, Any]:
    # The class, and the description that it was made of.
    with TemporaryDirectory(prefix="tsr-kaitai-") as directory:
        made = subprocess.run(  # noqa: S603 - to run what was found above is the job
            [shutil.which("node") or "node", str(COMPILE), str(DESCRIPTION), directory],
            env={**os.environ, "NODE_PATH": os.pathsep.join(map(str, node_modules()))},
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"the compiler of Kaitai Struct failed: {made.stderr.strip()}")
        loader = SourceFileLoader("tsr_by_kaitai", str(Path(directory, "tsr.py")))
        module = ModuleType(loader.name)
        loader.exec_module(module)
        return module.Tsr, json.loads(Path(directory, "tsr.json").read_bytes())


def _stopped(node: Any) -> Any:
    # The innermost part that was being read: what has begun and not ended.
    while True:
        open_parts = [
            getattr(node, name) for name, span in node._debug.items() if "end" not in span
        ]
        open_parts = [part[-1] if isinstance(part, list) else part for part in open_parts]
        inner = next((part for part in open_parts if hasattr(part, "_debug")), None)
        if inner is None:
            return node
        node = inner


def _last(span: Any) -> int:
    return len(span["arr"]) - 1


def _accepted_v1(file: Any) -> dict[str, Any]:
    shape = file.dims[4 - file.ndim :]
    return accepted("v1", [(_DTYPES[file.dtype.name], shape, file.payload)])


# ------------------------------------------------------------------ what the parser does not judge


def _elements(payload: Any) -> tuple[str, bytes]:
    # The clause that a payload breaks, if it does, and the elements.
    clause, elements = "", payload.stored
    if not payload._parent.header.is_raw:
        clause, elements = _inflate(elements, payload.entry.nbytes)
    # T4-CRC-2
    if not clause and zlib.crc32(elements) != payload.entry.data_crc32:
        clause = "T4-CRC-2"
    return clause, elements


def _refused_payload(clause: str, payload: Any) -> dict[str, Any]:
    field, offset = f"payload[{payload.index}]", payload.data_offset
    if clause == "T4-CRC-2":
        field = f"entries[{payload.index}].data_crc32"
        offset = payload.entry._debug["data_crc32"]["start"]
    return _by_adapter(refused(clause, field, offset))


def _by_adapter(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "by": "adapter"}


def _inflate(payload: bytes, nbytes: int) -> tuple[str, bytes]:
    # The same of one that is a zlib stream.
    stream = zlib.decompressobj()
    try:
        elements = stream.decompress(payload, min(nbytes + 1, sys.maxsize))
    except zlib.error:
        return "T4-ZLIB-1", b""
    if len(elements) > nbytes:
        return "T4-ZLIB-2", b""
    if not stream.eof:
        return "T4-ZLIB-3", b""
    if len(elements) < nbytes:
        return "T4-ZLIB-2", b""
    return "T4-ZLIB-3" if stream.unused_data else "", elements


if __name__ == "__main__":
    try:
        adapter = Adapter()
    except RuntimeError as error:
        sys.exit(f"{__spec__.name}: {error}")
    serve(adapter.answer)
