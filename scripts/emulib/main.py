# SPDX-License-Identifier: BSD-2-Clause
"""The command line of scripts/check-emu: runs rows of the table and judges them."""

import argparse
import concurrent.futures
import re
import threading
import time

from lablib.boot import BootResult, boot
from lablib.errors import LabError
from lablib.paths import BUILD

from .boots import BOOTS, Row
from .payloads import build_payloads

OUT = BUILD / "emu"
print_lock = threading.Lock()


def problems_of(row: Row, result: BootResult) -> list[str]:
    """What the row asks for and the boot did not do; empty when it passed."""
    serial = result.serial.replace("\r", "")
    problems = []
    if result.passed != row.verdict:
        problems.append(f"verdict: {result.reason}")
    problems += [f"not found: {text!r}" for text in row.expect if not re.search(text, serial, re.MULTILINE)]
    log = (result.out / "log.txt").read_text(errors="replace") if row.expect_in_log else ""
    problems += [f"not in log.txt: {text!r}" for text in row.expect_in_log if not re.search(text, log, re.MULTILINE)]
    e9 = result.e9.replace("\r", "") if row.expect_in_e9 else ""
    problems += [f"not on port 0xE9: {text!r}" for text in row.expect_in_e9 if not re.search(text, e9, re.MULTILINE)]
    backtrace = "\n".join(result.backtrace)
    problems += [f"not in the backtrace: {text!r}" for text in row.expect_in_backtrace if not re.search(text, backtrace)]
    if row.check:
        problems += row.check(serial)
    problems += [f"found: {text!r}" for text in row.forbid if re.search(text, serial, re.MULTILINE)]
    return problems


def same_as_native(row: Row, result: BootResult, native: BootResult) -> list[str]:
    """Lines of the test in L1 that differ from those of the same image without L0."""
    def lines(r: BootResult) -> list[str]:
        return re.findall(r"^(?:not )?ok \d+ .*$", r.serial.replace("\r", ""), re.MULTILINE)
    if native.passed != row.verdict:
        return [f"natively: {native.reason}"]
    if lines(result) != lines(native):
        return ["the tests in L1 say something else natively"]
    return []


def run_row(row: Row) -> bool:
    """Runs one row; prints its line."""
    start = time.monotonic()
    result = None
    try:
        config = row.config()
        config.out = OUT / row.name
        result = boot(config)
        problems = problems_of(row, result)
        if row.native_too and not problems:
            config = row.native_config()
            config.out = OUT / f"{row.name}-native"
            problems += same_as_native(row, result, boot(config))
    except LabError as error:
        problems = [str(error)]
    seconds = time.monotonic() - start
    ticks = f", {result.ticks / 1e6:.0f} M ticks" if result and result.ticks else ""
    with print_lock:
        print(f"{'not ok' if problems else 'ok'} - {row.name}: {row.what} ({seconds:.0f} s{ticks})", flush=True)
        for problem in problems:
            print(f"    {problem}", flush=True)
        if problems and result:
            print(f"    {result.summary()}", flush=True)
            tail = result.serial.replace("\r", "").splitlines()[-12:]
            print("".join(f"    | {line}\n" for line in tail), end="", flush=True)
    return not problems


def chosen_rows(options: argparse.Namespace) -> list[Row]:
    """The rows to run."""
    rows = [row for row in BOOTS if options.only in row.name]
    return rows if options.all or options.only else [row for row in rows if row.quick]


def main(arguments: list[str]) -> int:
    """Runs the table."""
    parser = argparse.ArgumentParser(prog="check-emu", description="Boots the hypervisor in the emulators.")
    parser.add_argument("--all", action="store_true", help="the whole table, not only the quick rows")
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose name contains TEXT")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="boots at a time (default: 2)")
    parser.add_argument("--list", action="store_true", help="print the rows, run nothing")
    options = parser.parse_args(arguments)
    rows = chosen_rows(options)
    if options.list:
        for row in rows:
            print(f"{'quick' if row.quick else '     '} {row.name}: {row.what}")
        return 0
    if not rows:
        print(f"check-emu: no row matches '{options.only}'")
        return 2
    start = time.monotonic()
    try:
        build_payloads()
    except LabError as error:
        print(f"not ok - payloads: {error}\ncheck-emu: 0 boots passed, 1 failed")
        return 1
    # The longest first, so that the last job does not run alone for long.
    rows.sort(key=lambda row: -row.weight)
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        good = list(pool.map(run_row, rows))
    print(f"check-emu: {sum(good)} boots passed, {len(good) - sum(good)} failed, "
          f"{time.monotonic() - start:.0f} s", flush=True)
    return 0 if all(good) else 1
