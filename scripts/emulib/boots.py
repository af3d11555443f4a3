# SPDX-License-Identifier: BSD-2-Clause
"""The table of boots."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from lablib.boot import BootConfig
from lablib.paths import BUILD, ROOT

from .payloads import crash, payload, spoil

NONE = BUILD / "none" / "xmhf.elf"
TRACE = BUILD / "trace" / "xmhf.elf"
EXITLOG = BUILD / "exitlog" / "xmhf.elf"
LHV = BUILD / "lhv" / "lhv64.elf"


@dataclass
class Row:
    """One boot, and what must come of it."""

    name: str
    what: str
    expect: list[str] = field(default_factory=list)
    forbid: list[str] = field(default_factory=list)
    expect_in_log: list[str] = field(default_factory=list)  # Bochs' log
    expect_in_e9: list[str] = field(default_factory=list)  # port 0xE9
    expect_in_backtrace: list[str] = field(default_factory=list)  # with names
    check: Callable[[str], list[str]] | None = None  # problems of the serial output
    verdict: bool = True  # LAB-RESULT pass is expected
    quick: bool = False  # part of every run
    weight: int = 1  # about how many seconds it takes, by tens
    test: str = ""  # program of xmhf/test/l1 that is L1
    native_too: bool = False  # the same L1 must say the same without L0
    boot: dict = field(default_factory=dict)  # of BootConfig

    def config(self) -> BootConfig:
        """What the lab shall boot."""
        settings = {"xmhf": NONE, "timeout": 400.0, "echo": False, **self.boot}
        if self.test:
            settings["l1"] = f"raw:{payload(self.test)}"
        return BootConfig(**settings)

    def native_config(self) -> BootConfig:
        """The same without L0."""
        config = self.config()
        config.xmhf, config.native, config.cmdline = None, True, ""
        return config


STARTED = r"^CPU\(0x00\): \d+ CPUs; L1 starts with drive 0x81"
NATIVELY = r"starting the boot sector of drive 0x81 natively"

HIDDEN = re.compile(r"hidden memory: \S+, (\d+) KiB")
NESTED = re.compile(r"nested: (\d+) KiB for each CPU: \d+ VMCSs of L1, \d+ EPT02s in \d+ pages")


def memory_problems(cpus: int) -> Callable[[str], list[str]]:
    """What L0 takes from L1 is printed, and at most 16 MiB and 4 MiB for each CPU."""
    def problems(serial: str) -> list[str]:
        hidden, nested = HIDDEN.search(serial), NESTED.search(serial)
        if not hidden or not nested:
            return ["L0's memory is not printed"]
        most = (16 + 4 * cpus) * 1024
        return [] if int(hidden[1]) <= most else [f"L0 hides {hidden[1]} KiB from L1, more than {most}"]
    return problems


def linux(name: str, what: str, **settings) -> Row:
    """L1's Linux with all of its checks."""
    quick = settings.pop("quick", False)
    forbid = settings.pop("forbid", [])
    cpus = settings.get("cpus", 1)
    settings.setdefault("timeout", 400.0 + 100.0 * cpus)
    expect = [STARTED, f"{cpus} CPUs online"] + settings.pop("expect", [])
    return Row(name, what, expect, forbid, quick=quick, weight=cpus * 2, check=memory_problems(cpus), boot=settings)


MAIN = [
    linux("linux-1", "Linux, 1 CPU", quick=True),
    linux("linux-snapshot", "Linux, 1 CPU, kept and restored", quick=True, snapshot=True, forbid=[r"\^@"]),
    linux("linux-2-snapshot", "Linux, 2 CPUs, kept and restored", cpus=2, snapshot=True, forbid=[r"\^@"]),
    linux("linux-2-trace", "Linux, 2 CPUs, hypapp trace, Multiboot 1", quick=True, cpus=2, xmhf=TRACE,
          protocol="multiboot", expect=[r"Multiboot 1", r"PROBE exits total 101 cpuid"]),
    linux("linux-2-3g", "Linux, 2 CPUs, 3 GiB", cpus=2, memory=3072),
    linux("linux-4", "Linux, 4 CPUs", cpus=4),
    linux("linux-4-3g", "Linux, 4 CPUs, 3 GiB", quick=True, cpus=4, memory=3072),
    linux("linux-mb1", "Linux, 1 CPU, 3 GiB, Multiboot 1", memory=3072, protocol="multiboot"),
]

# Natively tigerlake and sapphire_rapids do not boot this Linux in Bochs 3.0: tests in L1 only.
LINUX_MODELS = ("corei3_cnl", "corei7_haswell_4770", "corei7_sandy_bridge_2600k")
OTHER_MODELS = ("tigerlake", "sapphire_rapids", "arrow_lake", "broadwell_ult", "corei7_icelake_u")

MODELS = [
    *(linux(f"model-{model}", f"Linux, 1 CPU, {model}", quick=model == "corei7_sandy_bridge_2600k", model=model)
      for model in LINUX_MODELS),
    *(linux(f"model-{model}-4", f"Linux, 4 CPUs, 3 GiB, {model}", model=model, cpus=4, memory=3072)
      for model in LINUX_MODELS),
    *(Row(f"model-{model}-registers", f"test in L1 of registers, {model}", [STARTED], test="registers",
          native_too=True, quick=model == "tigerlake", boot={"model": model, "ignore_bad_msrs": False})
      for model in OTHER_MODELS + LINUX_MODELS),
]

FALLBACK = [
    Row("native-penryn", "no EPT: Linux natively, with the reason", [NATIVELY, r"no hypervisor: the processor"],
        quick=True, weight=2, boot={"model": "core2_penryn_t9600", "l1_cmdline": "probe.native=1"}),
    Row("native-qemu", "no VMX: Linux natively, with the reason",
        [NATIVELY, r"no hypervisor: the processor has no VMX"], quick=True, weight=1,
        boot={"emulator": "qemu", "cpus": 2}),
    Row("native-qemu-mb1", "no VMX, loaded by Multiboot 1", [NATIVELY, r"Multiboot 1"], weight=1,
        boot={"emulator": "qemu", "protocol": "multiboot"}),
]

OPTIONS = [
    Row("option-cpus", "cpus=1 on a machine of 2: Linux gets one", [STARTED, r"^ok .*1 CPUs online"], weight=3,
        quick=True, boot={"cpus": 2, "cmdline": "cpus=1", "l1_cmdline": "probe.cpus=1"}),
    Row("option-vmx-off", "vmx=off: L1 has no VMX", [STARTED, r"CPUID says VMX: 0"], quick=True, test="registers",
        boot={"cmdline": "vmx=off", "ignore_bad_msrs": False}),
    Row("option-serial-off", "serial=off: nothing on the serial port but L1", forbid=[r"CPU\(0x"], quick=True,
        test="registers", boot={"cmdline": "serial=off", "ignore_bad_msrs": False}),
    Row("option-log-vga", "log=vga: the same", forbid=[r"CPU\(0x"], test="registers",
        boot={"cmdline": "log=vga", "ignore_bad_msrs": False}),
    Row("option-log-ring", "log=ring: the same", forbid=[r"CPU\(0x"], test="registers",
        boot={"cmdline": "log=ring", "ignore_bad_msrs": False}),
    Row("option-baud", "serial=0x3f8,9600", [STARTED], test="registers",
        boot={"cmdline": "serial=0x3f8,9600 log=serial", "ignore_bad_msrs": False}),
]


def madt(number: int, text: str, **more) -> Row:
    """A boot on a machine with two CPUs and a damaged table."""
    quick = more.pop("quick", False)
    return Row(f"bad-acpi-{number}", f"ACPI damaged: {text}", [f"damaged: {number}", *more.pop("expect")],
               quick=quick, test="registers",
               boot={"cpus": 2, "first_disk": spoil(number), "ignore_bad_msrs": False})


STARTED_82 = r"L1 starts with drive 0x82"

BAD = [
    Row("bad-signature", "L1's boot sector without signature", [r"has no signature 55AA: the drive is not bootable"],
        verdict=False, quick=True, boot={"l1": f"raw:{payload('no-signature')}", "timeout": 30.0}),
    Row("bad-no-drive", "no drive for L1", [r"cannot read L1's boot sector: no such drive\?"], verdict=False, quick=True,
        boot={"l1": "none", "timeout": 30.0}),
    Row("bad-boot-drive", "boot_drive= a drive that is not there", [r"drive 0x85", r"cannot read L1's boot sector"],
        verdict=False, test="registers", boot={"cmdline": "boot_drive=0x85", "timeout": 30.0}),
    Row("bad-cmdline", "malformed command line: warnings, and L1 starts",
        [STARTED, r"warning: command line: 'serial=frog': must be an I/O port or off",
         r"warning: command line: 'boot_drive=0x1ff': must be a BIOS drive number", r"'colour=blue': unknown key",
         r"'quiet': not of the form key=value", r"'cpus=0': must be a number from 1 on",
         r"'log=paper': must be a list", r"'vmxcap.frog=0': no such VMX capability", r"'vmx=maybe': must be on or off"],
        quick=True, test="registers",
        boot={"cmdline": "serial=frog boot_drive=0x1ff colour=blue quiet cpus=0 log=paper vmxcap.frog=0 vmx=maybe",
              "ignore_bad_msrs": False}),
    Row("bad-cmdline-long", "a command line of 9 KB: what was read counts, the rest is a warning",
        [STARTED, r"CPUID says VMX: 0",
         r"warning: command line: 'log=serial': too long: not read from this word on, which is cut off"],
        test="registers", boot={"cmdline": "vmx=off " + "log=serial " * 830, "ignore_bad_msrs": False}),
    Row("bad-memory", "16 MiB of memory: too little for L0, L1 starts natively",
        [NATIVELY, r"no hypervisor: too little memory below 4 GiB"], quick=True, test="registers",
        boot={"memory": 16, "ignore_bad_msrs": False}),
    madt(1, "no MADT", expect=[STARTED_82, r"warning: ACPI: no MADT; using the boot CPU only"], quick=True),
    madt(2, "an entry of no size", expect=[STARTED_82, r"warning: ACPI: MADT has an entry of no size"], quick=True),
    madt(3, "an entry ends behind the table", expect=[STARTED_82, r"warning: ACPI: MADT ends inside an entry"]),
    madt(4, "the MADT's checksum", expect=[STARTED_82, r"warning: ACPI: "]),
    madt(5, "the boot CPU is not listed", expect=[r"no hypervisor: the boot CPU is not in the ACPI MADT"], quick=True),
]

IN_L1 = [
    Row("l1-int15", "INT 15h in real and virtual-8086 mode", [STARTED], test="int15", native_too=True, quick=True),
    Row("l1-int15-3g", "the same with 3 GiB", [STARTED], test="int15", native_too=True, boot={"memory": 3072}),
    Row("l1-registers", "CR0, CR4, XCR0, MSRs, MTRRs", [STARTED], test="registers", native_too=True, quick=True,
        boot={"ignore_bad_msrs": False}),
    Row("l1-nmi", "NMIs while L0 runs: each arrives once", [STARTED, r"CPU 1: [1-9]\d+ NMIs came while L0 ran"],
        test="nmi", native_too=True, quick=True, boot={"cpus": 3}),
    Row("l1-sipi-2", "INIT and SIPI, 2 CPUs", [STARTED], test="sipi", native_too=True, boot={"cpus": 2}),
    Row("l1-sipi-4", "INIT and SIPI in all forms, 4 CPUs", [STARTED], test="sipi", native_too=True, quick=True,
        weight=2, boot={"cpus": 4}),
    Row("l1-reset", "a triple fault resets the machine", [STARTED, r"now the triple fault", r"took a triple fault"],
        test="reset", native_too=True, quick=True,
        boot={"bochs_options": ["cpu: reset_on_triple_fault=1"]}),
]

EXITLOG_LINE = r"^CPU\(0x00\): {} 0x[0-9a-f]{{16}} {} qual=0x{} ticks=\d+ tsc=\d+$"
TRACED = [
    Row("exitlog", "hypapp exitlog: a line for each exit of L1 and L2", [STARTED],
        expect_in_e9=[EXITLOG_LINE.format("101", "vmlaunch", "0"), EXITLOG_LINE.format("201", "vmcall", "0"),
                      EXITLOG_LINE.format("202", "ept-violation", "[0-9a-f]+")],
        quick=True, boot={"xmhf": EXITLOG, "l1": f"multiboot:{LHV},cases=basics*"}),
]

CRASH = BUILD / "crash" / "xmhf.elf"
HALTED = r"CPU{}  \] CPU is in long mode \(halted"


def vmcs_dump_problems(serial: str) -> list[str]:
    """The panic's dump must have every field of the table, in the order of encodings."""
    table = (ROOT / "xmhf" / "x86" / "vmcs_fields.def").read_text()
    fields = re.findall(r"^VMCS_FIELD\(\w+,\s*(\w+),\s*(0x[0-9a-f]+)", table, re.MULTILINE)
    dumped = re.findall(r"^CPU\(0x00\): \((0x[0-9a-f]+)\) @panic01@(\w+) = \S+$", serial, re.MULTILINE)
    lacking = [name for name, _ in fields if name not in [n for _, n in dumped]]
    problems = [f"VMCS01's dump lacks {len(lacking)} fields, {lacking[0]} for one"] if lacking else []
    if [encoding for encoding, _ in dumped] != sorted(encoding for encoding, _ in dumped):
        problems.append("VMCS01's dump is not in the order of encodings")
    return problems


def panic(name: str, number: int, what: str, cause: str, backtrace: list[str], **more) -> Row:
    """A panic of L0 with three CPUs; every CPU must stop."""
    return Row(f"panic-{name}", f"panic: {what}",
               [rf"PANIC: {cause}", r"backtrace: 0x", r"exit of CPU 0x01: 101 0x\w+ cpuid",
                r"LAB-RESULT fail 0/1\s*\Z"],
               forbid=[r"no panic"], expect_in_log=[HALTED.format(n) for n in (1, 2)],
               expect_in_backtrace=backtrace, check=vmcs_dump_problems, verdict=False,
               boot={"xmhf": CRASH, "l1": f"raw:{crash(number)}", "cpus": 3, "timeout": 60.0}, **more)


PANIC = [
    panic("bug", 0, "a bug_if()", r"hypapps/crash/crash.c:\d+: bug_if\(how == CRASH_BUG\)",
          [r"crash\.c:\d+", r"vmexit_vmcall\+", r"vmexit_handle\+"], quick=True),
    panic("page-fault", 1, "L0 touches what is not mapped",
          r"exception 14 in L0, error code 0x2, rip 0x\w+, cr2 0xffffa00000000000", [r"vmexit_vmcall\+"]),
    panic("stack", 2, "L0's stack overflows", r"exception 8 in L0", [r"fill_stack"], quick=True),
    panic("code", 3, "L0 writes to its code", r"exception 14 in L0, error code 0x3, .* cr2 0xffffffff80000000",
          [r"vmexit_vmcall\+"], quick=True),
    panic("ud", 4, "L0 executes an invalid instruction", r"exception 6 in L0", [r"crash\.c:\d+"]),
]

BOOTS: list[Row] = [*MAIN, *MODELS, *FALLBACK, *OPTIONS, *BAD, *IN_L1, *TRACED, *PANIC]
