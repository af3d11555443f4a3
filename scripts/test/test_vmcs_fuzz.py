# SPDX-License-Identifier: BSD-2-Clause
"""scripts/vmcs: no input makes a traceback; a large log is read quickly and in little memory."""

import contextlib
import io
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import vmcs_samples as samples
from vmcslib import diff, gdt, reader, show, text, to_c
from vmcslib.dump import Log
from vmcslib.errors import VmcsError
from vmcslib.main import main

ROUNDS = int(os.environ.get("VMCS_FUZZ_ROUNDS", "150"))
SECONDS = 10.0
MEBIBYTES = 300
BIG = 50_000_000
TOKENS = [b"0x", b"\0", b"\xff\xfe", b"\x1b[31m", b"CPU(0x05): ", b"@", b":", b" = ", b"unavailable", b"*** Host State ***",
          b"\r", b"\n", b"\n\n", b"(XEN) ", b"kvm_exit: ", b"9" * 400, b"f" * 40, b"[T1]", b"-1", b"\xe2\x80\xa8", b"->",
          b"VMEXIT reason = ", b"IA32_VMX_BASIC = ", b"[99999999]", b"qual=", b"ticks=-5", b"\x80\x81", b">>> Domain 9 <<<"]


def mutated(dice: random.Random, data: bytes) -> bytes:
    """The text with some damage."""
    out = bytearray(data)
    for _ in range(dice.randrange(1, 40)):
        at = dice.randrange(len(out) + 1)
        kind = dice.randrange(6)
        if kind == 0:
            out[at:at + dice.randrange(1, 60)] = b""
        elif kind == 1:
            out[at:at] = dice.choice(TOKENS)
        elif kind == 2 and at < len(out):
            out[at] = dice.randrange(256)
        elif kind == 3:
            out[at:at] = out[at // 2:at // 2 + dice.randrange(1, 200)]
        elif kind == 4:
            out[at:at] = bytes(dice.randrange(256) for _ in range(dice.randrange(1, 20)))
        elif dice.randrange(8) == 0:
            del out[at:]
    return bytes(out)


class Fuzz(unittest.TestCase):
    """Damaged logs of every format, through every verb that only reads."""

    SEEDS = [samples.before_and_after()[:9000], samples.before_and_after()[-9000:], samples.XEN, samples.KVM_TRACE,
             samples.BOCHS, samples.VIRTUALBOX_CAPS, "\n".join(samples.xmhf64()), samples.trace(40, False), samples.HOSTILE, samples.KVM_NEW]

    def everything(self, data: bytes) -> None:
        """Reads it and does all that can be done with it."""
        log = reader.parse(text.lines_of(io.BufferedReader(io.BytesIO(data))), "fuzz")
        self.assertIsInstance(log, Log)
        for dump in log.dumps[:4]:
            show.show(dump, True)
            show.summary(dump)
            to_c.as_c(dump, "x", "y", True)
            diff.diff([dump, log.dumps[-1]])
        show.listing(log.dumps)
        with contextlib.suppress(VmcsError):
            gdt.table(gdt.words_of(data.decode(errors="replace")))

    def test_damaged_logs(self):
        dice = random.Random(int(os.environ.get("VMCS_FUZZ_SEED", "1")))
        for number in range(ROUNDS):
            data = mutated(dice, dice.choice(self.SEEDS).encode() + dice.choice(self.SEEDS).encode())
            try:
                self.everything(data)
            except Exception as error:
                raise AssertionError(f"round {number}: {error!r}: {data[:300]!r}") from error

    def test_damaged_logs_from_outside(self):
        dice = random.Random(2)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            for number in range(ROUNDS // 5):
                path.write_bytes(mutated(dice, dice.choice(self.SEEDS).encode()))
                for verb in (["list", "-v"], ["show", "--every"], ["diff"], ["exits"], ["exits", "--trace"], ["exits", "--by", "kind,vector"], ["html"], ["as-c"]):
                    out = io.StringIO()
                    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                        status = main([*verb, str(path)])
                    self.assertIn(status, (0, 1, 2), f"round {number}")

    def test_odd_files(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            for data in (b"", b"\n", b"\0" * 5000, b"\x1f\x8b", b"\x1f\x8b\x08\0garbage", b"\xfd7zXZ\0", b"BZh9", b"\xff\xfe",
                         b"\xff\xfea", b"x" * 3_000_000, b"CPU(0x" * 400_000, b"\xef\xbb\xbf", b"*** Guest State ***"):
                path.write_bytes(data)
                out = io.StringIO()
                with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                    self.assertEqual(2, main(["show", str(path)]), data[:20])
            self.assertEqual(2, main_quietly(["show", folder]))


def main_quietly(arguments) -> int:
    """The exit status alone."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return main(arguments)


MEASURE = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from vmcslib.reader import read_log
start = time.monotonic()
log = read_log(sys.argv[2])
print(len(log.dumps), len(log.exits), time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def big_log(path: Path, size: int) -> tuple:
    """A serial log of this size: a trace, noise, and dumps; (dumps, exits) in it."""
    trace = samples.trace(2000, False)
    noise = "".join(f"[  {n}.123456] systemd[1]: Started some service number {n}.\n" for n in range(1000))
    dumps = "\n".join(samples.ours("failure01") + samples.ours("failure12") + samples.ours("failure02")) + "\n"
    piece = (trace + noise + dumps).encode()
    count = size // len(piece) + 1
    with open(path, "wb") as sink:
        for _ in range(count):
            sink.write(piece)
    return 3 * count, 2000 * count


class Size(unittest.TestCase):
    """50 MB; the machine may be busy, so processor time counts."""

    def test_fifty_megabytes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "big.log"
            dumps, exits = big_log(path, BIG)
            before = os.times()
            run = subprocess.run([sys.executable, "-c", MEASURE, str(samples.SCRIPTS), str(path)],
                                 capture_output=True, text=True, check=True)
            after = os.times()
        found_dumps, found_exits, wall, peak = run.stdout.split()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        self.assertEqual((str(dumps), str(exits)), (found_dumps, found_exits))
        self.assertLess(spent, SECONDS)
        self.assertLess(int(peak) / 1024, MEBIBYTES)
        print(f"\n50 MB: {dumps} dumps, {exits} exits in {spent:.1f} s of processor time "
              f"({float(wall):.1f} s), {int(peak) // 1024} MiB", file=sys.stderr)


class Pipes(unittest.TestCase):
    """The entry point as a program."""

    def test_reader_that_goes_away(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            path.write_text(samples.before_and_after())
            run = subprocess.run(f"{samples.SCRIPTS}/vmcs show --all --every {path} | head -n 1",
                                 shell=True, capture_output=True, text=True, check=True)
        self.assertEqual("", run.stderr)
        self.assertEqual(1, len(run.stdout.splitlines()))

    def test_standard_input(self):
        run = subprocess.run([f"{samples.SCRIPTS}/vmcs", "diff", "-@before12", "@after12"], text=True,
                             input=samples.before_and_after(), capture_output=True, check=False)
        self.assertEqual((1, ""), (run.returncode, run.stderr))


if __name__ == "__main__":
    unittest.main()
