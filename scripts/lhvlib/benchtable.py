# SPDX-License-Identifier: BSD-2-Clause
"""The table of docs/performance.md, from the golden values and from those of KVM.  Pure but for its files."""

from lablib.paths import ROOT

COLUMNS = ("operation", "native", "l0", "exits", "vmread", "vmwrite", "vmptrld", "vmclear")
GOLDEN = ROOT / "lhv" / "bench.golden.tsv"
KVM = ROOT / "lhv" / "bench.kvm.tsv"
DOCUMENT = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- written by scripts/lhv-bench -->\n", "<!-- end of the table -->\n"
HEAD = """\
| operation of L1 or L2 | `bench=` | natively | on xmhf-nest | exits | VMREAD + VMWRITE | on KVM |
|---|---|--:|--:|--:|--:|--:|
"""
MEANINGS = {
    "l1-cpuid": "CPUID in L1 (leaf 0)",
    "l1-rdmsr": "RDMSR of L1 that L0 does not want",
    "l1-rdmsr-intercepted": "RDMSR of L1 that L0 wants",
    "l1-xsetbv": "XSETBV in L1",
    "vmread-hot": "VMREAD of a field that is shadowed",
    "vmread-rare": "VMREAD of another field",
    "vmwrite-rare": "VMWRITE of another field",
    "vmread-memory": "VMREAD to memory",
    "vmwrite-memory": "VMWRITE from memory",
    "vmptrld-same": "VMPTRLD of the current VMCS",
    "vmptrld-other": "VMPTRLD of another VMCS",
    "vmclear": "VMCLEAR",
    "vmxon-vmxoff": "VMXON and VMXOFF",
    "invept-single": "INVEPT single-context, nothing changed",
    "invvpid-all": "INVVPID all-context",
    "round-trip": "round trip: L2 exits, L1's handler does nothing, VMRESUME",
    "round-trip-noept": "the same without EPT",
    "round-trip-2r1w": "the same, handler with 2 VMREADs and 1 VMWRITE",
    "round-trip-12r4w": "the same, 12 VMREADs and 4 VMWRITEs",
    "l2-rdmsr": "RDMSR of L2 that L1 does not intercept",
    "l2-wrmsr": "WRMSR of L2 that L1 does not intercept",
    "l2-io": "port I/O of L2 that L1 does not intercept",
    "ept-violation": "EPT violation that L1 handles",
    "first-touch-4k": "first touch of a 4 KiB page",
    "first-touch-2m": "the same, mapped by 2 MiB in EPT12",
    "first-touch-1g": "the same, mapped by 1 GiB",
    "invept-warm-512": "one EPT12 entry changed, INVEPT, 512 warm pages touched",
    "vmware-loop": "VMware's switch: VMXON, VMPTRLD, INVVPID, an entry, VMCLEAR, VMXOFF",
    "switch-4-vmcs": "round trip, each with another of four VMCSs",
}


def read(path) -> dict[str, dict[str, str]]:
    """operation -> column -> value of a table with tabs; lines with # say where it is from."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    columns = lines[0].split("\t")
    rows = [dict(zip(columns, line.split("\t"))) for line in lines[1:]]
    return {row["operation"]: row for row in rows}


def number(text: str) -> str:
    """Digits in groups."""
    return f"{int(text):,}" if text.isdigit() else "-"


def table(golden: dict[str, dict[str, str]], kvm: dict[str, dict[str, str]]) -> str:
    """Rows for readers."""
    rows = []
    for operation, meaning in MEANINGS.items():
        row = golden[operation]
        accesses = str(int(row["vmread"]) + int(row["vmwrite"])) if row["vmread"].isdigit() else "-"
        cells = [meaning, f"`{operation}`", number(row["native"]), number(row["l0"]), row["exits"], accesses,
                 number(kvm.get(operation, {}).get("kvm", "-"))]
        rows.append(f"| {' | '.join(cells)} |\n")
    return HEAD + "".join(rows)


def document() -> str:
    """The document with the table of the present values."""
    head, rest = DOCUMENT.read_text().split(BEGIN)
    return head + BEGIN + table(read(GOLDEN), read(KVM)) + END + rest.split(END)[1]
