"""`guard`, in a process where disks, mounts, compilers and clocks can be made worse while it runs.

    python -m tests.orders.launcher serve policy.yaml …

The folder `$FAULTS` says how: a file `fsync` holds the seconds that each fsync takes, `pwrite` those of each write into an
open file (`for ever`: until the fault is gone), `compile` the seconds of pure Python that each compilation of a plan takes
besides, `hang` the path of a file whose opening never returns, `clock` the seconds by which the wall clock is ahead.
"""

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAULTS = Path(os.environ["FAULTS"])


real_open = io.open


def fault(name: str) -> str:
    try:
        with real_open(FAULTS / name) as file:
            return file.read()
    except OSError:
        return ""


def slow_fsync() -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        time.sleep(float(fault("fsync") or 0))
        real(descriptor)

    os.fsync = fsync


def slow_pwrite() -> None:
    real = os.pwrite

    def pwrite(descriptor: int, content: bytes, offset: int) -> int:
        while (seconds := fault("pwrite")) == "for ever":
            (FAULTS / "writing").mkdir(exist_ok=True)  # for whoever waits for it
            time.sleep(0.01)
        time.sleep(float(seconds or 0))
        return real(descriptor, content, offset)

    os.pwrite = pwrite


def slow_compile() -> None:
    from guard.policy import compiling

    real = compiling.compile_plan

    def compile_plan(*arguments: Any, **options: Any) -> Any:
        until = time.thread_time() + float(fault("compile") or 0)
        while time.thread_time() < until:
            sum(range(1000))
        return real(*arguments, **options)

    compiling.compile_plan = compile_plan


def hanging_open() -> None:
    def hangs(path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and bool(name := fault("hang")) and os.path.realpath(path) == name

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any, *arguments: Any, **options: Any) -> Any:
            while hangs(path):
                (FAULTS / "hanging").mkdir(exist_ok=True)  # for whoever waits for it
                time.sleep(3600)
            return real(path, *arguments, **options)

        return opened

    os.open = wrapped(os.open)
    io.open = wrapped(io.open)  # type: ignore[assignment]


def fast_clock() -> None:
    real = time.time
    time.time = lambda: real() + float(fault("clock") or 0)


if __name__ == "__main__":
    slow_fsync()
    slow_pwrite()
    hanging_open()
    fast_clock()
    slow_compile()
    from guard.cli import main

    sys.argv[0] = "guard"
    sys.exit(main())
