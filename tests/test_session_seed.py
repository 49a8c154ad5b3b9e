"""The framework's own examples: its worker scripts as they are, its C++ clients line for line.

Each client runs as a program, in a folder from which the path that it names leads to its worker.
Only its time-outs are longer: they were meant for a machine that does nothing else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tech_renaissance
import tsr

PATIENCE_MS = 120_000

# `import torch` is what this script lacked, and all that was changed.
MATRIX_SERVER = """\
# python_server.py
from tech_renaissance import TechRenaissanceServer
import torch

class MatrixMathServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command.lower() == 'matmul':
            tensors = self.get_tensors(parameters, 2)
            if tensors is None:
                self.write_response('', 'invalid')
            else:
                result = torch.mm(tensors[0], tensors[1])
                self.send_tensors(result)
                self.write_response('', 'ok')
            return True
        return False

def main():
    import sys
    server = MatrixMathServer(debug=False)
    server.run(sys.argv[1])

if __name__ == "__main__":
    main()
"""

MATRIX_CLIENT = """\
import numpy as np
from tech_renaissance import PythonSession

def main():
    # create the session
    session = PythonSession("../python/module/python_server.py", "matmul_demo")
    session.start()
    session.wait_until_ready(5000)

    # test tensors: a 4x3 matrix times a 3x5 matrix is a 4x5 matrix
    tensor_a = np.full((4, 3), 1.5, np.float32)
    tensor_b = np.full((3, 5), 2.0, np.float32)

    # the core API: send tensors to Python
    session.send_tensor(tensor_a, "input_a")
    session.send_tensor(tensor_b, "input_b")

    # trigger the matmul
    session.send_request("matmul input_a input_b")

    # wait for the result and fetch it
    result = session.wait_for_tensor(10000)

    # check the result
    print("result shape:", result.shape)
    print(result)

    # graceful exit
    session.please_exit(5000, True)

main()
"""

MATRIX_OUTPUT = """\
result shape: (4, 5)
[[9. 9. 9. 9. 9.]
 [9. 9. 9. 9. 9.]
 [9. 9. 9. 9. 9.]
 [9. 9. 9. 9. 9.]]
"""

HELLO_SERVER = """\
from tech_renaissance import TechRenaissanceServer

class HelloServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command.lower() == 'hello':
            self.write_response('', f'Hello {parameters.title()}')
            return True
        return False

def main():
    import sys
    server = HelloServer(debug=False)
    server.run(sys.argv[1])

if __name__ == "__main__":
    main()
"""

HELLO_CLIENT = """\
from tech_renaissance import PythonSession

def main():
    session = PythonSession("default", "hello_test")
    session.start()
    session.wait_until_ready(5000)

    # send a request and wait for the response
    response = session.fetch_response("hello world", 3000)
    print("Python said:", response)

    session.please_exit(5000, True)

main()
"""

ASYNCHRONOUS = """\
import concurrent.futures
import numpy as np
from tech_renaissance import PythonSession

session = PythonSession("../python/module/python_server.py", "asynchronous")
session.start()
session.wait_until_ready(5000)
session.send_tensor(np.eye(2, dtype=np.float32), "input_a")
session.send_tensor(np.full((2, 2), 3, np.float32), "input_b")
session.send_request("matmul input_a input_b")

# asynchronous
with concurrent.futures.ThreadPoolExecutor() as pool:
    future = pool.submit(lambda: session.wait_for_tensor(10000))
    # ... do other things ...
    result = future.result()

print(result)
session.please_exit(5000, True)
"""

BATCH_SERVER = """\
import sys
from tech_renaissance import TechRenaissanceServer

class BatchServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == 'batch_process':
            self.send_tensors(*[tensor + 1 for tensor in self.get_tensors(parameters, 3)])
            return True
        return False

BatchServer().run(sys.argv[1])
"""

BATCH_CLIENT = """\
import numpy as np
from tech_renaissance import PythonSession

session = PythonSession("../python/module/python_server.py", "many_tensors")
session.start()
session.wait_until_ready(5000)
a, b, c = np.zeros(2, np.float32), np.int8([[4, 5]]), np.int32(6)

# many tensors
tensors = [a, b, c]
tags = ["input_a", "input_b", "input_c"]
for i in range(len(tensors)):
    session.send_tensor(tensors[i], tags[i])
session.send_request("batch_process input_a input_b input_c")

for result in session.wait_for_tensor(10000):
    print(result.dtype, result.tolist())
session.please_exit(5000, True)
"""

BATCH_OUTPUT = """\
float32 [1.0, 1.0]
int8 [[5, 6]]
int32 7
"""

FAILING_SERVER = """\
import os, signal, sys, time
import numpy as np
from tech_renaissance import TechRenaissanceServer

class FailingServer(TechRenaissanceServer):
    def main_logic(self, command: str, parameters: str) -> bool:
        if command == 'kill':
            os.kill(os.getpid(), signal.SIGKILL)
        if command == 'exit_unasked':
            os._exit(0)
        if command == 'hang':
            time.sleep(600)
        if command == 'raise':
            raise ValueError(parameters)
        if command == 'forget_the_tensor':
            return True
        if command == 'retry_command':
            self.send_tensors(np.ones(3, np.int32))
            return True
        return False

FailingServer().run(sys.argv[1])
"""

RECOVERY = """\
import sys
from tech_renaissance import PythonSession, TSRError

session = PythonSession("../python/module/python_server.py", "recovery")
session.start()
session.wait_until_ready(5000)
session.send_request(sys.argv[1])

# recovery
try:
    result = session.wait_for_tensor(FIRST)
except TSRError as e:
    print("fetching the tensor failed:", e, file=sys.stderr)

    # retry
    session.terminate()
    session.start()
    session.wait_until_ready(5000)

    # send the request again
    session.send_request("retry_command")
    result = session.wait_for_tensor(5000)

print(result)
session.please_exit(5000, True)
"""


def run_example(folder: Path, client: str, server: str = "", *arguments: str) -> tuple[str, str]:
    """Run a client, which has to leave nothing behind; give what it prints on stdout and stderr."""
    here, module, workspace = folder / "build", folder / "python" / "module", folder / "workspace"
    here.mkdir()
    module.mkdir(parents=True)
    (module / "python_server.py").write_text(server)
    environment = {
        **os.environ,
        "PYTHONPATH": os.path.dirname(tech_renaissance.__file__),
        "TR_WORKSPACE": str(workspace),
    }
    patient = re.sub(r"\b(5000|10000|3000)\b", str(PATIENCE_MS), client)
    done = subprocess.run(
        [sys.executable, "-c", patient, *arguments],
        cwd=here, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.listdir(workspace / "python_session") == []
    return done.stdout, done.stderr


def test_matmul(tmp_path: Path) -> None:
    """Example 1: a worker multiplies the matrices of a client."""
    assert run_example(tmp_path, MATRIX_CLIENT, MATRIX_SERVER) == (MATRIX_OUTPUT, "")


def test_matmul_invalid(tmp_path: Path) -> None:
    """Its worker answers with `invalid` where a tensor is missing or one too many is named."""
    sent, asked = (
        MATRIX_CLIENT.index("    session.send_tensor("),
        MATRIX_CLIENT.index("    # trigger"),
    )
    # Once for each: the worker takes seconds to start.
    each = (
        '    for tensors in ("input_a", "input_a input_b input_c", "input_a absent"):\n'
        + textwrap.indent(MATRIX_CLIENT[sent:asked], "    ")
        + '        session.send_request(f"matmul {tensors}")\n'
        "        print(session.wait_for_response(10000))\n"
    )
    exits = MATRIX_CLIENT.index("    # graceful exit")
    client = MATRIX_CLIENT[:sent] + each + MATRIX_CLIENT[exits:]
    assert run_example(tmp_path, client, MATRIX_SERVER) == ("invalid\n" * 3, "")


def test_hello_world(tmp_path: Path) -> None:
    """Example 2: the default worker greets."""
    assert run_example(tmp_path, HELLO_CLIENT) == ("Python said: Hello World\n", "")


def test_hello_server(tmp_path: Path) -> None:
    """Its worker script greets as the default worker does."""
    client = HELLO_CLIENT.replace('"default"', '"../python/module/python_server.py"')
    assert run_example(tmp_path, client, HELLO_SERVER) == ("Python said: Hello World\n", "")


def test_asynchronous(tmp_path: Path) -> None:
    """The asynchronous example: another thread waits for the result."""
    output = "[[3. 3.]\n [3. 3.]]\n"
    assert run_example(tmp_path, ASYNCHRONOUS, MATRIX_SERVER) == (output, "")


def test_many_tensors(tmp_path: Path) -> None:
    """The example of many tensors: as many results, of all dtypes."""
    assert run_example(tmp_path, BATCH_CLIENT, BATCH_SERVER) == (BATCH_OUTPUT, "")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("kill", "the worker was killed by signal 9"),
        ("exit_unasked", "the worker exited with status 0"),
        ("hang", "the response to 'hang': did not come within 500 ms"),
        ("raise it", "ValueError: it"),
        ("forget_the_tensor", "it answered 'ok', no tensor"),
        ("unknown", "unknown command 'unknown'"),
    ],
)
def test_recovery(command: str, message: str, tmp_path: Path) -> None:
    """The recovery example: whatever failed, the next worker answers."""
    first = 500 if command == "hang" else PATIENCE_MS
    client = RECOVERY.replace("FIRST", str(first))
    stdout, stderr = run_example(tmp_path, client, FAILING_SERVER, command)
    assert stdout == "[1 1 1]\n"
    assert stderr.startswith("fetching the tensor failed: ")
    assert stderr.rstrip().endswith(message)


def test_the_door(tmp_path: Path) -> None:
    """What the framework imports from this package is there, and works."""
    script = (
        "from tech_renaissance import TechRenaissanceServer, PythonSession, export_tsr, "
        "import_tsr, TSRError\n"
        "import torch\n"
        "export_tsr(torch.eye(2), 'eye.tsr')\n"
        "with PythonSession() as session:\n"
        "    print(session.calculate('relu', import_tsr('eye.tsr')))\n"
        "try:\n"
        "    PythonSession('absent.py').start()\n"
        "except TSRError:\n"
        "    print(TechRenaissanceServer(debug=False).main_logic('', ''))\n"
    )
    stdout, _ = run_example(tmp_path, script)
    assert stdout == "tensor([[1., 0.],\n        [0., 1.]])\nFalse\n"
    assert tsr.load(tmp_path / "build" / "eye.tsr").tolist() == [[1, 0], [0, 1]]
