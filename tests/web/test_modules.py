"""The modules' own tests, which Node.js runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    not NODE and os.environ.get("CLAWAI_REQUIRE_ALL") != "1", reason="there is no Node.js here"
)


@needs_node
def test_modules__tests_in_node__pass():
    files = sorted(map(str, HERE.glob("*.test.mjs")))
    assert files
    run = subprocess.run(
        [NODE or "node", "--test", *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
