"""Mutation testing: plant faults, and see whether the tests notice. See README.md beside this file."""

import argparse
import sys
import time
from hashlib import sha256
from pathlib import Path

from tests.mutation import in_copy, in_memory
from tests.mutation.in_memory import KILLED
from tests.mutation.mutants import mutants_of, planted, room_files

HERE = Path(__file__).parent
WANTED = 0.9  # share of all mutants that the tests must kill


def equivalent():
    """The listed survivors, ``{name: why}``: each line of the file is ``name ## why``."""
    lines = (HERE / "equivalent.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.split(" ## ") for line in lines if line and not line.startswith("#")]
    return {name.strip(): why.strip() for name, why in rows}


def all_mutants():
    """Those of gpunet's rooms, and the faults that are written down for them."""
    return planted(HERE / "faults.toml") + [m for path in room_files() for m in mutants_of(path)]


def chosen(mutants, only, sample, seed=0):
    """The mutants whose names hold `only`; of these a sample, drawn with the seed.

    Each mutant has its own random number, from its name: the sample of a source that has changed a little is nearly
    the same.
    """
    found = [m for m in mutants if only in m.name]
    if sample is not None and sample < len(found):
        drawn = sorted({m.name for m in found}, key=lambda name: sha256(f"{seed} {name}".encode()).digest())
        kept = set(drawn[:sample])
        found = [m for m in found if m.name in kept]
    return found


def outcomes_of_rooms(mutants, jobs, own, recorded):
    """Run mutants of gpunet's rooms: in memory where that can be, else in copies of the tree."""
    print(f"{len(mutants)} mutants", flush=True)

    def report(line):
        print(line, flush=True)

    found, reaching = in_memory.run(mutants, jobs, report, own, recorded)
    slow = [m for m in mutants if not m.in_function]
    options = ["-k", " and ".join(f"not {library}" for library in ("torch", "jax", "cupy", "strict"))]
    found |= in_copy.run(slow, lambda m: m.tests or reaching.get(m.path, []), options, jobs, report=report)
    return found


def main(arguments=None):
    """Run, and return the exit status: 1 for survivors that are not listed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["rooms", "faults", "kernels"], default="rooms")
    parser.add_argument("--only", default="", metavar="TEXT", help="mutants whose names hold this text")
    parser.add_argument("--sample", type=int, metavar="N", help="a random sample instead of all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--own", action="store_true", help="only the tests of the mutants' own rooms")
    parser.add_argument(
        "--recorded", metavar="FOLDER", help="what tests reach, by record.py; not measured again"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants, run nothing")
    options = parser.parse_args(arguments)
    started = time.time()

    if options.what == "kernels":
        mutants = planted(HERE / "kernels.toml")
    else:
        mutants = all_mutants() if options.what == "rooms" else planted(HERE / "faults.toml")
    mutants, listed = chosen(mutants, options.only, options.sample, options.seed), equivalent()
    if options.sample is not None:  # they survive, which takes all the tests that reach them
        mutants = [m for m in mutants if m.name not in listed]
    if options.list:
        print(*(m.name for m in mutants), sep="\n")
        return 0
    if options.what == "kernels":
        outcomes = in_copy.run(mutants, lambda m: m.tests, jobs=options.jobs)
    else:
        outcomes = outcomes_of_rooms(mutants, options.jobs, options.own, options.recorded)
    whole = not options.only and options.sample is None
    return verdict(outcomes, listed, time.time() - started, WANTED if whole else 0.0)


def verdict(outcomes, listed, seconds, wanted=WANTED):
    """Print the result; the exit status."""
    survivors = sorted(name for name, outcome in outcomes.items() if outcome != KILLED)
    killed = len(outcomes) - len(survivors)
    share = killed / max(len(outcomes), 1)
    print(f"killed {killed} of {len(outcomes)} ({share:.1%}) in {seconds:.0f} s")
    unlisted = [name for name in survivors if name not in listed]
    for name in unlisted:
        print(f"UNLISTED  {name}  ({outcomes[name]})")
    for name in listed:
        if outcomes.get(name) == KILLED:
            print(f"LISTED, BUT KILLED  {name}")
    wrong = unlisted or any(outcomes.get(name) == KILLED for name in listed) or share < wanted
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
