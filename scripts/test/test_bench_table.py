# SPDX-License-Identifier: BSD-2-Clause
"""What the documents say of ticks is what the golden values say."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lablib.paths import ROOT  # noqa: E402
from lhvlib import benchtable  # noqa: E402


class BenchTableTest(unittest.TestCase):
    """docs/performance.md and README.md."""

    def test_performance(self):
        self.assertEqual(benchtable.DOCUMENT.read_text(), benchtable.document(), "run scripts/lhv-bench --update")

    def test_readme(self):
        golden, kvm = (benchtable.read(path)["round-trip"] for path in (benchtable.GOLDEN, benchtable.KVM))
        row = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| Nested round trip"))
        for number in (golden["l0"], golden["native"], kvm["kvm"]):
            self.assertIn(benchtable.number(number), row)

    def test_number(self):
        self.assertEqual([benchtable.number(text) for text in ("84", "12160", "-", "failed")], ["84", "12,160", "-", "-"])


if __name__ == "__main__":
    unittest.main()
