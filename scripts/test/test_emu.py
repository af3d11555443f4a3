# SPDX-License-Identifier: BSD-2-Clause
"""Tests of the judges of tests: tiers, boots, benchmarks, backtraces."""

import importlib.machinery
import importlib.util
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

from emulib.boots import BOOTS, Row, vmcs_dump_problems  # noqa: E402
from emulib.main import problems_of, same_as_native  # noqa: E402
from lablib.boot import BootResult  # noqa: E402
from lablib.symbols import LINE, Symbols  # noqa: E402


def script(name: str):
    """A script without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(SCRIPTS / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def result(serial: str, passed: bool = True) -> BootResult:
    """What a boot with this serial output gives."""
    return BootResult(passed, "because", "the guest", 1.0, 5, 0, Path("."), serial, "", [])


class Tiers(unittest.TestCase):
    counts = staticmethod(script("run-tests").counts_of)

    def test_summary(self):
        self.assertEqual(self.counts("check-host: 30 programs passed, 2 failed, 9 checks\n", 1), (30, 2))
        self.assertEqual(self.counts("x: 1 passed, 1 failed\nx: 5 passed, 0 failed, 3 s\n", 0), (5, 0))

    def test_unittest(self):
        self.assertEqual(self.counts("Ran 40 tests in 0.1s\n\nOK\n", 0), (40, 0))
        self.assertEqual(self.counts("Ran 40 tests in 0.1s\n\nFAILED (failures=2, errors=1)\n", 1), (37, 3))

    def test_bad_status_is_a_failure(self):
        self.assertEqual(self.counts("x: 5 passed, 0 failed\n", 1), (5, 1))
        self.assertEqual(self.counts("Traceback\n", 1), (0, 1))
        self.assertEqual(self.counts("", 0), (0, 1))


class Boots(unittest.TestCase):
    def test_problems(self):
        row = Row("x", "y", expect=["^two$"], forbid=["three"])
        self.assertEqual(problems_of(row, result("one\r\ntwo\r\n")), [])
        self.assertEqual(len(problems_of(row, result("one\n"))), 1)
        self.assertEqual(len(problems_of(row, result("two\nthree\n"))), 1)
        self.assertEqual(len(problems_of(row, result("two\n", passed=False))), 1)

    def test_expected_failure(self):
        row = Row("x", "y", verdict=False)
        self.assertEqual(problems_of(row, result("", passed=False)), [])
        self.assertEqual(len(problems_of(row, result(""))), 1)

    def test_same_as_native(self):
        row = Row("x", "y")
        self.assertEqual(same_as_native(row, result("CPU: log\nok 1 - a\n"), result("ok 1 - a\r\n")), [])
        self.assertTrue(same_as_native(row, result("not ok 1 - a\n"), result("ok 1 - a\n")))
        self.assertTrue(same_as_native(row, result("ok 1 - a\n"), result("ok 1 - a\nok 2 - b\n")))

    def test_names_differ(self):
        names = [row.name for row in BOOTS]
        self.assertEqual(len(names), len(set(names)))

    def test_dump(self):
        self.assertTrue(vmcs_dump_problems("CPU(0x00): (0x0000) @panic01@vpid = 0x0001\n"))


class Bench(unittest.TestCase):
    bench = script("bench")
    good = {"start": 1, "cpuid native": 2, "cpuid l0": 100, "rdmsr-passed native": 1, "rdmsr-passed l0": 1,
            "linux native": 1000, "linux l0": 1010}

    def test_limits(self):
        self.assertEqual(self.bench.limit_problems(self.good), [])
        for name, value in (("start", 20_000_001), ("cpuid l0", 123), ("rdmsr-passed l0", 50), ("linux l0", 1021)):
            self.assertEqual(len(self.bench.limit_problems({**self.good, name: value})), 1, name)

    def test_golden(self):
        self.assertEqual(self.bench.golden_problems(self.good, self.good), [])
        self.assertEqual(len(self.bench.golden_problems({**self.good, "linux l0": 1100}, self.good)), 1)
        self.assertEqual(len(self.bench.golden_problems(self.good, {**self.good, "more": 1})), 1)
        self.assertEqual(len(self.bench.golden_problems({**self.good, "more": 1}, self.good)), 1)


class Backtraces(unittest.TestCase):
    def symbols(self, code: bytes) -> Symbols:
        with tempfile.TemporaryDirectory() as name:
            empty = Path(name) / "empty"
            empty.write_bytes(b"")
            made = Symbols.__new__(Symbols)
            made.elf, made.starts, made.names = empty, [0x1000, 0x1010], ["one", "two"]
            made.code_at, made.code = 0x1000, code
        return made

    def test_return_addresses(self):
        symbols = self.symbols(b"\xe8\0\0\0\0\x90\x90\xff\xd0\x90\x90\x90")
        self.assertTrue(symbols.is_return_address(0x1005))
        self.assertTrue(symbols.is_return_address(0x1009))
        self.assertFalse(symbols.is_return_address(0x100b))
        self.assertFalse(symbols.is_return_address(0x2000))

    def test_function(self):
        symbols = self.symbols(b"")
        self.assertEqual(symbols.function(0x1012), "two+0x2")
        self.assertEqual(symbols.function(0xfff), "?")

    def test_line(self):
        self.assertEqual(LINE.findall("CPU(0x00): backtrace: 0xffff\r\n"), ["0xffff"])


if __name__ == "__main__":
    unittest.main()
