"""Platforms that are not Linux, by what they lack."""

from __future__ import annotations

import subprocess
import sys

FAKE = """
import os, sys
from types import SimpleNamespace

def lacking(name):
    if name == "SC_PHYS_PAGES":
        raise ValueError("unrecognized configuration name")
    return 16384

class Library:
    def sysctlbyname(self, name, size, length, *new):
        assert name == b"hw.memsize"
        size._obj.value = 8 << 30
        return 0

def opened(name, *args, **kwargs):
    if str(name).startswith(("/proc/", "/sys/fs/")):
        raise FileNotFoundError(name)
    return real(name, *args, **kwargs)

import builtins, ctypes, io
import jax, scipy.linalg  # which look at the platform for themselves
real, library = builtins.open, ctypes.CDLL
sys.platform = "darwin"
os.sysconf, ctypes.CDLL = lacking, lambda name: Library() if name is None else library(name)
builtins.open = io.open = opened
del os.sched_getaffinity
sys.argv = ["jaccli", *sys.argv[1:]]
from jaccli.__main__ import main
main()
"""


def called(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_windows_is_told_what_to_use() -> None:
    code = "import sys; sys.platform = 'win32'; from jaccli.__main__ import main; main()"
    done = called(code, "jacobian", "-e", "x**2", "--at", "x=3")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "jaccli: Windows is not supported; run it in WSL (wsl --install).\n"


def test_macos_has_neither_proc_nor_every_name_of_sysconf() -> None:
    done = called(FAKE, "plan", "-e", "x**2", "--at", "x=3", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"budget": 4294967296' in done.stdout  # half of the machine's 8 GiB
    done = called(FAKE, "gradient", "-e", "x**2", "--at", "x=3", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x 6.0\n", "")
