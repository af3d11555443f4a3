# SPDX-License-Identifier: BSD-2-Clause
"""vmcs bisect-vmxcap: which capability bits does an L1 need?

Bits are hidden from L1 by words vmxcap.NAME=0 on L0's command line: all of them, then halves of what
cannot be hidden, down to the bits that cannot be hidden at all (bits that a dump of L1's VMCS uses are tried one by
one, --suspects, since most of them are needed).  What could be hidden stays
hidden, so that the rest is a set that works, and which nothing can be taken from as long as hiding more
never helps.  At last every bit of the result is hidden alone, which tells the bits that nothing
replaces from those that another bit could stand in for.  Every trial is written to a file, so that a
search that was stopped goes on where it was, and every trial's output is kept beside it.
"""

import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from .errors import VmcsError
from .paint import Paint
from .reader import read_log, require_dumps
from .tables import ROOT, Control, tables
from .text import count_text

WORDS = {"PIN": "pin-based controls", "PROC1": "processor-based controls",
         "PROC2": "secondary processor-based controls", "PROC3": "tertiary processor-based controls",
         "EXIT": "VM-exit controls", "EXIT2": "secondary VM-exit controls", "ENTRY": "VM-entry controls",
         "BASIC": "IA32_VMX_BASIC", "MISC": "IA32_VMX_MISC", "EPT": "IA32_VMX_EPT_VPID_CAP",
         "VMFUNC": "IA32_VMX_VMFUNC"}

FIELDS = {"PIN": "pin_based_controls", "PROC1": "processor_based_controls", "PROC2": "secondary_processor_based_controls",
          "EXIT": "exit_controls", "ENTRY": "entry_controls"}


def add_arguments(parser) -> None:
    """Options of the verb."""
    parser.add_argument("--works", metavar="REGEX", required=True, help="matches the output of a run that works")
    parser.add_argument("--fails", metavar="REGEX", help="ends a run early: it does not work")
    parser.add_argument("--distrust", metavar="REGEX", default="warning: command line",
                        help="ends the search: L0 did not take the words (default: %(default)r)")
    parser.add_argument("--strict", action="store_true",
                        help="a run that matches neither --works nor --fails ends the search, it is no answer")
    parser.add_argument("--only", metavar="REGEX", help="search only these bits (names as in vmxcap.NAME)")
    parser.add_argument("--keep", metavar="REGEX", help="never hide these bits")
    parser.add_argument("--timeout", type=positive, default=300.0, metavar="S",
                        help="of one run (300); then it does not work")
    parser.add_argument("--suspects", metavar="LOG", type=Path,
                        help="try the control bits that a VMCS of this log uses one by one, the others in groups: quicker")
    parser.add_argument("-j", "--jobs", type=positive, default=1, metavar="N", help="runs at a time (1)")
    parser.add_argument("--state", metavar="DIR", type=Path, default=None,
                        help="trials and their outputs; found there, they are not run again (build/bisect-vmxcap/...)")
    parser.add_argument("--one-at-a-time", action="store_true",
                        help="also hide every single bit alone, not only those of the minimal set")
    parser.add_argument("--list", action="store_true", help="only list the bits that would be searched")
    parser.add_argument("command", nargs="*", metavar="COMMAND",
                        help="runs L1; {vmxcap} becomes the words for L0's command line, {out} a folder of this "
                        "run; both are in the environment too, as VMXCAP and OUT")


def positive(text: str) -> float:
    """A number above 0.  (argparse shows this function's name.)"""
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def bits(only: str = None, keep: str = None) -> list:
    """The capability bits to search, in the order of the tables."""
    every = tables().controls + tables().capabilities
    found = [bit for bit in every if (only is None or re.search(only, bit.enumerator))
             and not (keep and re.search(keep, bit.enumerator))]
    if not found:
        raise VmcsError("no capability bit is left to search")
    return found


def used(log: Path, universe: list) -> frozenset:
    """The control bits that are 1 in some dump of the log."""
    values = {}
    found = read_log(str(log))
    require_dumps(found)
    for dump in found.dumps:
        for word, field in FIELDS.items():
            values[word] = values.get(word, 0) | (dump.get(field) or 0)
    return frozenset(bit.enumerator for bit in universe if values.get(bit.word, 0) >> bit.bit & 1)


def words_of(hidden) -> str:
    """The words on L0's command line that hide these bits."""
    return " ".join(f"vmxcap.{name}=0" for name in sorted(hidden))


class Trials:
    """Runs the command; remembers every trial."""

    def __init__(self, options, universe: list, folder: Path):
        self.options = options
        self.universe = frozenset(bit.enumerator for bit in universe)
        self.folder = folder
        self.lock = threading.Lock()
        self.known = {}
        self.ran = self.reused = 0
        self.spent = 0.0
        self.children = set()
        self.stopped = False
        self.log = folder / "trials.jsonl"
        self.read()

    def read(self) -> None:
        """The trials of an earlier search of the same command."""
        for trial in self.rows():
            self.known[frozenset(trial["hidden"])] = bool(trial["works"])

    def rows(self) -> list:
        """The trials of the file; a line of a search that was killed may be cut."""
        if not self.log.exists():
            return []
        found = []
        for row in self.log.read_text(encoding="utf-8").splitlines():
            try:
                trial = json.loads(row)
                found += [trial] if {"hidden", "works", "seconds", "end"} <= set(trial) else []
            except (ValueError, TypeError):
                continue
        return found

    def lines(self, minimal: frozenset) -> list:
        """Every trial as a line for a person."""
        return [f"trial {number:2}: {len(row['hidden']):3} hidden, {'works' if row['works'] else 'fails'}, {row['seconds']:.1f} s, "
                f"{row['end']}; of the needed bits hidden: {' '.join(bit for bit in row['hidden'] if bit in minimal) or 'none'}"
                for number, row in enumerate(self.rows(), 1)]

    def works(self, kept: frozenset) -> bool:
        """Whether L1 works with only these bits of the universe."""
        hidden = self.universe - kept
        with self.lock:
            if hidden in self.known:
                self.reused += 1
                return self.known[hidden]
            if self.stopped:
                raise KeyboardInterrupt
        start = time.monotonic()
        works, end, out = self.run(hidden)
        seconds = time.monotonic() - start
        with self.lock:
            if self.stopped:
                raise KeyboardInterrupt
            self.known[hidden] = works
            self.ran += 1
            self.spent += seconds
            with open(self.log, "a", encoding="utf-8") as stream:
                stream.write(json.dumps({"hidden": sorted(hidden), "works": works, "end": end,
                                         "seconds": round(seconds, 2), "output": out.name}) + "\n")
        return works

    def command(self, hidden, out: Path) -> tuple:
        """The words and the environment of one run."""
        words = words_of(hidden)
        command = [word.replace("{vmxcap}", words).replace("{out}", str(out)) for word in self.options.command]
        return command, {**os.environ, "VMXCAP": words, "OUT": str(out)}

    def run(self, hidden) -> tuple:
        """One run: (works, how it ended, its folder)."""
        name = hashlib.sha256(words_of(hidden).encode()).hexdigest()[:12]
        out = self.folder / name
        out.mkdir(parents=True, exist_ok=True)
        command, environment = self.command(hidden, out)
        (out / "command.txt").write_text(shlex.join(command) + "\n", encoding="utf-8")
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, env=environment, start_new_session=True)
        except OSError as error:
            raise VmcsError(f"cannot run {command[0]}: {error.strerror}") from error
        with self.lock:
            self.children.add(child)
        try:
            works, end = self.watch(child, out / "output.txt")
        finally:
            stop(child)
            child.stdout.close()
            with self.lock:
                self.children.discard(child)
        return works, end, out

    def watch(self, child, path: Path) -> tuple:
        """Reads the output until it says what it is, ends, or takes too long."""
        alarm = threading.Timer(self.options.timeout, stop, (child,))
        alarm.daemon = True
        alarm.start()
        start = time.monotonic()
        try:
            verdict = self.read_output(child, path)
        finally:
            alarm.cancel()
        if verdict:
            return verdict
        if self.options.strict:
            raise VmcsError(f"the run said neither --works nor --fails (--strict): {path}")
        late = time.monotonic() - start >= self.options.timeout
        return False, f"no match in {self.options.timeout:g} s" if late else "ended without a match"

    def read_output(self, child, path: Path):
        """(works, why) as soon as a line tells; None at the end of the output."""
        works, fails, distrust = (re.compile(pattern) if pattern else None for pattern in (
            self.options.works, self.options.fails, self.options.distrust))
        with open(path, "w", encoding="utf-8") as sink:
            for raw in child.stdout:
                line = raw.decode(errors="replace")
                sink.write(line)
                if distrust and distrust.search(line):
                    raise VmcsError(f"the run cannot be trusted (--distrust): {line.strip()[:200]} ({path})")
                if works.search(line):
                    return True, "matched --works"
                if fails and fails.search(line):
                    return False, "matched --fails"
        return None

    def stop_all(self) -> None:
        """Ends every run that is under way."""
        with self.lock:
            self.stopped = True
            children = list(self.children)
        for child in children:
            stop(child)


def stop(child) -> None:
    """Ends a run and what it started."""
    if child.poll() is not None:
        return
    for number, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(child.pid, number)
            child.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


class Search:
    """Group testing: what can be hidden is hidden in ever larger groups, and stays hidden."""

    def __init__(self, trials: Trials, jobs: int, say):
        self.trials, self.say = trials, say
        self.jobs = max(1, int(jobs))
        self.pool = concurrent.futures.ThreadPoolExecutor(self.jobs)
        self.start = time.monotonic()
        self.universe = self.hidden = frozenset()
        self.needed = []

    def try_hidden(self, group: list):
        """Starts a run with this group hidden besides what is hidden for good."""
        return self.pool.submit(self.trials.works, self.universe - self.hidden - frozenset(group))

    def minimal(self, order: list, suspects: frozenset = frozenset()) -> frozenset:
        """A set that works, and of which no bit can be left out if hiding more never helps.

        Of @suspects many are needed, so that groups of them would only fail: each is hidden alone first.
        """
        self.universe, self.hidden = frozenset(order), frozenset()
        self.needed = self.alone(order, [bit for bit in order if bit in suspects])
        left = [bit for bit in order if bit not in self.needed]
        for group in ([bit for bit in left if bit not in suspects], [bit for bit in left if bit in suspects]):
            if not group:
                continue
            if self.try_hidden(group).result():
                self.hidden |= frozenset(group)
            else:
                self.settle(group)
        return frozenset(self.needed)

    def settle(self, group: list) -> None:
        """Sorts a group that cannot be hidden as a whole into needed and hidden bits."""
        if len(group) == 1:
            self.needed.append(group[0])
            self.say(f"needed: {group[0]}")
            return
        self.progress(len(self.universe) - len(self.hidden) - len(self.needed), len(self.needed))
        first, second = group[:len(group) // 2], group[len(group) // 2:]
        runs = [self.try_hidden(half) for half in ((first, second) if self.jobs > 1 else (first,))]
        if runs[0].result():
            self.hidden |= frozenset(first)
            self.settle(second)     # both together cannot be hidden
            return
        self.settle(first)
        # A half that fails with less hidden fails now too.
        fails = len(runs) > 1 and not runs[1].result()
        if not fails and self.try_hidden(second).result():
            self.hidden |= frozenset(second)
        else:
            self.settle(second)

    def progress(self, left: int, found: int) -> None:
        """How far it is."""
        spent = time.monotonic() - self.start
        settled = len(self.universe) - left
        pace = f", about {duration(spent * left / settled)} to go" if settled and self.trials.ran else ""
        self.say(f"{count_text(self.trials.ran, 'run')} ({self.trials.reused} remembered), {count_text(found, 'needed bit')} found, "
                 f"{count_text(left, 'bit')} left, {duration(spent)}{pace}")

    def alone(self, order: list, tried: list) -> list:
        """Those of the bits @tried that L1 misses when only they are hidden."""
        every = frozenset(order)
        start = time.monotonic()
        futures = [(bit, self.pool.submit(self.trials.works, every - {bit})) for bit in tried]
        found = []
        for number, (bit, future) in enumerate(futures, 1):
            if not future.result():
                found.append(bit)
            if number % 10 == 0:
                spent = time.monotonic() - start
                self.say(f"one at a time: {number} of {len(tried)}, about {duration(spent * (len(tried) - number) / number)} to go")
        return found


def duration(seconds: float) -> str:
    """75 -> 1 min 15 s"""
    whole = int(seconds + 0.5)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def name_of(bit: Control) -> str:
    """A bit as a person reads it: the SDM's name, its word, and its name on the command line."""
    return f"\"{bit.sdm}\" ({WORDS[bit.word]}, bit {bit.bit})  vmxcap.{bit.enumerator}"


def state_folder(options) -> Path:
    """Where the trials are kept: by command, so that another search never reads them."""
    if options.state:
        return options.state
    key = hashlib.sha256(json.dumps([options.command, options.works, options.fails]).encode()).hexdigest()[:12]
    return ROOT / "build" / "bisect-vmxcap" / key


def check_patterns(options) -> None:
    """Refuses what is no regular expression before hours of running."""
    for name in ("works", "fails", "only", "keep", "distrust"):
        try:
            re.compile(getattr(options, name) or "")
        except re.error as error:
            raise VmcsError(f"--{name}: not a regular expression: {error}") from error


def run(options) -> int:
    """vmcs bisect-vmxcap"""
    check_patterns(options)
    universe = bits(options.only, options.keep)
    if options.list:
        print("\n".join(name_of(bit) for bit in universe))
        return 0
    if not options.command:
        raise VmcsError("name the command that runs L1, after --, with {vmxcap} where L0's words go")
    if not any("{vmxcap}" in word for word in options.command):
        print("vmcs: no {vmxcap} in the command: it must take VMXCAP from the environment", file=sys.stderr)
    suspects = used(options.suspects, universe) if options.suspects else frozenset()
    folder = state_folder(options)
    folder.mkdir(parents=True, exist_ok=True)
    claim(folder, options)
    trials = Trials(options, universe, folder)
    previous = signal.signal(signal.SIGTERM, lambda number, frame: interrupt())
    try:
        return search(options, universe, trials, suspects)
    except KeyboardInterrupt:
        trials.stop_all()
        print(f"vmcs: stopped after {trials.ran} runs; the same command goes on from {folder}", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)


def interrupt() -> None:
    """SIGTERM ends the search like Ctrl-C."""
    raise KeyboardInterrupt


def claim(folder: Path, options) -> None:
    """Refuses a state folder with the trials of another command: they would be taken for this one's."""
    path = folder / "command.json"
    mine = json.dumps([options.command, options.works, options.fails])
    if path.exists() and path.read_text(encoding="utf-8").strip() != mine:
        raise VmcsError(f"--state {folder}: its trials are those of another command, --works or --fails (see {path.name})")
    path.write_text(mine + "\n", encoding="utf-8")


def search(options, universe: list, trials: Trials, suspects: frozenset) -> int:
    """The whole search, and its report."""
    paint = Paint(options.color)
    hunt = Search(trials, options.jobs, lambda text: print(f"vmcs: {text}", file=sys.stderr, flush=True))
    order = [bit.enumerator for bit in universe]
    everything = frozenset(order)
    print(f"vmcs: {len(order)} bits, trials in {trials.folder}", file=sys.stderr)
    if not trials.works(everything):
        raise VmcsError(f"L1 does not work with nothing hidden: no bit can be blamed (see {trials.folder})")
    minimal = hunt.minimal(order, suspects)
    # A bit that is missed when only it is hidden is in every working set, so none other need be tried.
    alone = frozenset(hunt.alone(order, order if options.one_at_a_time else sorted(minimal)))
    hunt.pool.shutdown(wait=True, cancel_futures=True)
    print(report(universe, minimal, alone, trials, paint))
    return 0


def report(universe: list, minimal: frozenset, single: frozenset, trials: Trials, paint: Paint) -> str:
    """What the L1 needs."""
    found = [bit for bit in universe if bit.enumerator in minimal]
    out = [paint("head", f"L1 works with {len(found)} of {len(universe)} bits, and with none of these less:")]
    out += [f"  {name_of(bit)}" + ("" if bit.enumerator in single else paint("dim", "  (or another in its place)"))
            for bit in found] or ["  (it needs none of them)"]
    hidden = frozenset(bit.enumerator for bit in universe) - minimal
    out += ["", f"{trials.ran} runs, {trials.reused} remembered; log of each: {trials.log}, trials.log",
            f"words that hide all others: {trials.folder / 'hidden.txt'}"]
    (trials.folder / "trials.log").write_text("\n".join([*trials.lines(minimal), *out[:-3]]) + "\n", encoding="utf-8")
    (trials.folder / "hidden.txt").write_text(words_of(hidden) + "\n", encoding="utf-8")
    return "\n".join(out)
