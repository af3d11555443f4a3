# SPDX-License-Identifier: BSD-2-Clause
"""scripts/prove can refute: claims that are false, code that leaves its objects."""
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "scripts"))

from provelib.execute import Machine, ProofError  # noqa: E402
from provelib.ir import Module  # noqa: E402
from provelib.smt import Solver, Term  # noqa: E402

HEAD = '#include "nested/test/prove.h"\n'


@unittest.skipUnless(shutil.which("z3") and shutil.which("clang"), "needs clang and z3")
class Prove(unittest.TestCase):
    """Each text is the body of one proof."""

    def prove(self, body: str, before: str = "") -> Machine:
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(f"{HEAD}{before}\nvoid prove_it(void);\nvoid prove_it(void)\n{{\n{body}\n}}\n")
            file.flush()
            r = subprocess.run(["clang", "-std=gnu11", "-O1", "-ffreestanding", "-fno-vectorize", "-I.", "-emit-llvm",
                                "-S", "-o", "-", file.name], cwd=TOP, capture_output=True, text=True, check=True)
        solver = Solver()
        self.addCleanup(solver.z3.stdout.close)
        self.addCleanup(solver.close)
        machine = Machine(Module([r.stdout]), solver)
        machine.prove("@prove_it")
        return machine

    def test_true(self) -> None:
        machine = self.prove('u32 x = any_u32("x"); must((x & 1) + (x & ~1U) == x, "sum");')
        self.assertEqual((machine.claims, machine.refuted), (1, []))

    def test_false(self) -> None:
        machine = self.prove('u32 x = any_u32("x"); must(x != 0xabcd1234, "not that one");')
        self.assertEqual(machine.refuted, [("not that one", {"x": 0xabcd1234})])

    def test_false_on_one_way(self) -> None:
        body = 'u8 x = any_u8("x"); if (x > 200) must(x != 250, "a"); else must(x < 201, "b");'
        self.assertEqual([text for text, _ in self.prove(body).refuted], ["a"])

    def test_given(self) -> None:
        machine = self.prove('u8 x = any_u8("x"); given(x < 10); must(x != 10, "below"); must(x != 9, "last");')
        self.assertEqual([text for text, _ in machine.refuted], ["last"])

    def test_loop(self) -> None:
        body = ('u8 n = any_u8("n"), i, bits = 0; given(n <= 8);\n'
                'for (i = 0; i < n; i++) bits |= 1U << i;\nmust(bits == (u8)((1U << n) - 1), "low bits");')
        machine = self.prove(body)
        self.assertEqual(machine.refuted, [])
        self.assertGreaterEqual(machine.ways, 9)

    def test_memory(self) -> None:
        before = "struct pair { u32 a; u64 b; };"
        body = ('struct pair p; any_memory(&p, sizeof(p), "p"); u64 b = p.b; p.a = 5;\n'
                'must(p.b == b && p.a == 5, "fields apart"); must(p.b != 7, "any value");')
        self.assertEqual([text for text, _ in self.prove(body, before).refuted], ["any value"])

    def test_outside(self) -> None:
        before = "static const u8 table[4] = { 1, 2, 3, 4 };"
        inside = 'u8 i = any_u8("i"); given(i < 4); must(table[i] == i + 1, "table");'
        self.assertEqual(self.prove(inside, before).refuted, [])
        with self.assertRaises(ProofError):
            self.prove(inside.replace("i < 4", "i < 5"), before)

    def test_never_written(self) -> None:
        with self.assertRaises(ProofError):
            self.prove('u64 a[2], x = any_u64("x") & 1; a[0] = 1; must(((volatile u64 *)a)[x] == 1, "a");')

    def test_page(self) -> None:
        body = ('const u8 *p = any_page("p"); u16 n = any_u16("n"); given(n < 4096);\n'
                'must(p[n] == p[n], "the same"); must(p[n] == p[0], "not known");')
        self.assertEqual([text for text, _ in self.prove(body).refuted], ["not known"])

    def test_switch_of_each(self) -> None:
        body = ('u32 x = each_u32("x", 6), y; switch (x) { case 0: y = 3; break; case 4: y = 9; break;\n'
                'default: y = x; }\nmust(y != 9, "four"); must(y < 10, "small");')
        self.assertEqual(self.prove(body).refuted, [("four", {"x": 4})])


class Folding(unittest.TestCase):
    """Constants never reach the solver; they must be what it would say."""

    def test_signs_and_shifts(self) -> None:
        fold = Solver.__new__(Solver)
        self.assertEqual(fold.binary("bvshl", Term(8, 1), Term(8, 9)).value, 0)
        self.assertEqual(fold.binary("bvashr", Term(8, 0x80), Term(8, 200)).value, 0xff)
        self.assertEqual(fold.binary("bvsub", Term(8, 1), Term(8, 2)).value, 0xff)
        self.assertEqual(fold.compare("slt", Term(8, 0xff), Term(8, 0)).value, 1)
        self.assertEqual(fold.compare("uge", Term(8, 0xff), Term(8, 0)).value, 1)
        self.assertEqual(fold.extend(Term(8, 0x80), 16, sign=True).value, 0xff80)
        self.assertEqual(fold.concat([Term(8, 0x34), Term(8, 0x12)]).value, 0x1234)


if __name__ == "__main__":
    unittest.main()
