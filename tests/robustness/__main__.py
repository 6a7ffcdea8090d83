"""Attempts to break gpunet, counted: see README.md beside this file."""

import argparse
import importlib
import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
CHECKS = {
    "resume": "a run ends at a random step and goes on: weights and history are those of an undisturbed one",
    "repeat": "the same seed, in processes with 1 to 5 threads: weights differ by no bit, or by rounding only",
    "guard_pages": "compiled kernels of random plans on 1 to 5 threads, each array beside a page without access",
    "interrupt": "Ctrl-C at a random moment: the process ends in 5 s, with weights of an update, all finite",
    "kill_save": "kill -9 while a network is saved: the file is the old one or the new one",
    "disk": "a disk that is full, read-only or broken at each write of a save: the old file stays, a clear error",
    "damage": "cut, changed or crafted network files and checkpoints: refused, or the same network",
    "memory_level": "fits and predictions one after another: memory does not grow",
    "memory_limit": "no memory left in fit and predict: a clear error, the network is as it was",
}
SECONDS = 3600  # for one check


def child(name, count, seed):
    """Run the attempts of a check; a line for each failure, and in the end how many attempts there were."""
    module = importlib.import_module(f"tests.robustness.{name}")
    done = 0
    for outcome in module.attempts(count or module.COUNT, seed):
        done += 1
        if outcome is not None:
            print(f"failed: attempt {done}: {outcome}", flush=True)
    print(f"attempts: {done}", flush=True)


def outcome_of(name, count, seed, seconds=SECONDS):
    """How many attempts a check made, and its failures; a crash or a hang is one."""
    command = [sys.executable, "-m", "tests.robustness", "--child", name, "--seed", str(seed)]
    command += ["--count", str(count)] if count else []
    root = HERE.parents[1]
    places = [root, root / "backends", root / "tests" / "plugins", root / "tests" / "support"]
    path = os.pathsep.join([*map(str, places), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "GPUNET_COMPILE": "wait"}
    process = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        err += f"\nno end after {seconds} s"
    failures = [line.removeprefix("failed: ") for line in out.splitlines() if line.startswith("failed: ")]
    done = [int(line.split()[1]) for line in out.splitlines() if line.startswith("attempts: ")]
    if process.returncode != 0 or not done:
        failures.append(f"the process ended with {process.returncode}: {err.strip()[-2000:]}")
    return (done or [0])[0], failures


def main(arguments=None):
    """Run, print the table, and return the exit status: 1 for any failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument("--only", choices=CHECKS, action="append", help="this check alone; may be repeated")
    parser.add_argument("--count", type=int, help="attempts of each check, instead of its own number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="write the table to this file, as Markdown")
    parser.add_argument("--child", choices=CHECKS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        child(options.child, options.count, options.seed)
        return 0
    rows, bad = [], False
    for name in options.only or CHECKS:
        done, failures = outcome_of(name, options.count, options.seed)
        rows.append(f"| {CHECKS[name]} | {done:,} | {len(failures)} |")
        print(f"{name}: {done:,} attempts, {len(failures)} failures", flush=True)
        for failure in failures[:10]:
            print(f"  {failure}", flush=True)
        bad = bad or bool(failures) or not done
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    table = ["| check | attempts | failures |", "| --- | ---: | ---: |", *rows]
    if options.output:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True
        ).stdout.strip()
        when = f"{date.today()}, commit {commit or 'unknown'}"
        head = f"# Robustness\n\n`python -m tests.robustness`, {when}; {machine}.\n\n"
        options.output.write_text(head + "\n".join(table) + "\n", encoding="utf-8")
    print("\n".join(table))
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
