# SPDX-License-Identifier: BSD-2-Clause
"""Texts in the shape of each log format, made from the tables, for the tests of scripts/vmcs."""

import random
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

from vmcslib.names import XMHF64  # noqa: E402
from vmcslib.tables import tables  # noqa: E402

# VirtualBox 6.1 with a 32-bit guest, as docs/ and the lab note give its control words.
VIRTUALBOX = {
    "guest_cr0": 0x35, "cr0_read_shadow": 0x15, "processor_based_controls": 0xB5A0FDFA,
    "pin_based_controls": 0x7F, "secondary_processor_based_controls": 0xEB, "exit_controls": 0x436FFF,
    "entry_controls": 0x11FF, "exception_bitmap": 0x30002, "guest_cs_selector": 8,
    "guest_cs_access_rights": 0xC09B, "guest_cs_limit": 0xFFFFFFFF, "guest_tr_access_rights": 0x8B,
    "guest_ss_access_rights": 0x10000, "guest_rflags": 2, "guest_rip": 0x10CCFA, "eptp": 0x1234501E,
    "exit_reason": 28, "vmcs_link_pointer": (1 << 64) - 1,
}
AFTER = {"guest_cr0": 0x80010035, "cr0_read_shadow": 0x80010015, "processor_based_controls": 0xB5A07DFE}
FAILED = {**AFTER, "exit_reason": 0x80000022, "exit_qualification": 1}
ABSENT = ("vmread_bitmap_address", "vmwrite_bitmap_address")


def ours(tag: str, cpu: int = 5, **overrides) -> list:
    """A dump in the form of our own logs."""
    values = {**VIRTUALBOX, **overrides}
    return [f"CPU(0x{cpu:02x}): (0x{field.encoding:04x}) @{tag}@{field.name} = "
            + ("unavailable" if field.name in ABSENT else field.text(values.get(field.name, 0)))
            for field in tables().fields]


def before_and_after() -> str:
    """The lab note's case: VirtualBox' guest sets CR0.PG."""
    lines = ours("before12") + ours("before02") + ours("after12", **AFTER) + ours("after02", **FAILED)
    lines.append("CPU(0x05): @after02@vmcs02_entry_msr_load[0] = 0xc0000080 -> 0x0000000000000d01")
    return "\n".join(lines) + "\n"


def xmhf64_name(name: str) -> str:
    """What XMHF64 may call a field: the special names, else ours with another case."""
    for theirs, mine in XMHF64.items():
        if mine == name:
            return theirs
    return name.replace("guest_cr", "guest_CR").replace("host_cr", "host_CR")


def xmhf64(tag: str = "VMCS02", encodings: bool = True, mark: str = ":", **overrides) -> list:
    """A dump in one of XMHF64's two shapes."""
    values = {**VIRTUALBOX, **overrides}
    return [f"CPU(0x05): " + (f"(0x{field.encoding:04x}) " if encodings else "")
            + f"{mark}{tag}{mark}{xmhf64_name(field.name)} = {field.text(values.get(field.name, 0))}"
            for field in tables().fields]


XEN = """\
(XEN) *********** VMCS Areas **************
(XEN)
(XEN) >>> Domain 1 <<<
(XEN) \tVCPU 2
(XEN) *** Guest State ***
(XEN) CR0: actual=0x0000000080050033, shadow=0x0000000080050033, gh_mask=ffffffffffffffff
(XEN) CR4: actual=0x00000000000426b0, shadow=0x00000000000406b0, gh_mask=ffffffffffc89800
(XEN) CR3 = 0x00000000059d6000
(XEN) RSP = 0xffffc9000000be50 (0xffffc9000000be50)  RIP = 0xffffffff81a01007 (0xffffffff81a01009)
(XEN) RFLAGS=0x00000246 (0x00000246)  DR7 = 0x0000000000000400
(XEN) Sysenter RSP=fffffe0000003000 CS:RIP=0010:ffffffff81a01540
(XEN)        sel  attr  limit   base
(XEN)   CS: 0010 0a09b ffffffff 0000000000000000
(XEN)   SS: 0018 0c093 ffffffff 0000000000000000
(XEN)   TR: 0040 0008b 00004087 fffffe0000003000
(XEN) LDTR: 0000 1c000 00000000 0000000000000000
(XEN) GDTR:            0000007f fffffe0000001000
(XEN) IDTR:            00000fff fffffe0000000000
(XEN) EFER(VMCS) = 0x0000000000000d01  PAT = 0x0407050600070106
(XEN) PreemptionTimer = 0x00000000  SM Base = 0x00000000
(XEN) DebugCtl = 0x0000000000000000  DebugExceptions = 0x0000000000000000
(XEN) Interruptibility = 00000000  ActivityState = 00000000
(XEN) *** Host State ***
(XEN) RIP = 0xffff82d040208e60 (vmx_asm_vmexit_handler)  RSP = 0xffff83007ce27f70
(XEN) CS=e008 SS=0000 DS=0000 ES=0000 FS=0000 GS=0000 TR=e040
(XEN) FSBase=0000000000000000 GSBase=0000000000000000 TRBase=ffff83007ce2d000
(XEN) GDTBase=ffff83007ce1c000 IDTBase=ffff83007ce29000
(XEN) CR0=0000000080050033 CR3=000000007c9d4000 CR4=00000000003526e0
(XEN) Sysenter RSP=ffff83007ce27fa0 CS:RIP=e008:ffff82d040202830
(XEN) EFER = 0x0000000000000d01  PAT = 0x0000050100070406
(XEN) *** Control State ***
(XEN) PinBased=0000003f CPUBased=b6a065fa
(XEN) SecondaryExec=000014eb TertiaryExec=00000000
(XEN) EntryControls=0000d3ff ExitControls=002fefff
(XEN) ExceptionBitmap=00060002 PFECmask=00000000 PFECmatch=00000000
(XEN) VMEntry: intr_info=800000d1 errcode=00000000 ilen=00000000
(XEN) VMExit: intr_info=00000000 errcode=00000000 ilen=00000001
(XEN)         reason=0000000c qualification=0000000000000000
(XEN) IDTVectoring: info=00000000 errcode=00000000
(XEN) TSC Offset = 0xfffffff8a4a6eb1e  TSC Multiplier = 0x0000000000000000
(XEN) TPR Threshold = 0x00  PostedIntrVec = 0x00
(XEN) EPT pointer = 0x000000007c9c401e  EPTP index = 0x0000
(XEN) PLE Gap=00000080 Window=00001000
(XEN) Virtual processor ID = 0x0001 VMfunc controls = 0000000000000000
(XEN) **************************************
"""

# What newer kernels print, with APICv and CET: line by line as their dump_vmcs() has it.
KVM_NEW = """\
[  100.000001] kvm_intel: VMCS 00000000c0ffee00, last attempted VM-entry on CPU 3
[  100.000002] kvm_intel: *** Guest State ***
[  100.000003] kvm_intel: CR0: actual=0x0000000080010031, shadow=0x0000000060000010, gh_mask=fffffffffffefff7
[  100.000004] kvm_intel: CR4: actual=0x0000000000002060, shadow=0x0000000000000000, gh_mask=fffffffffffef871
[  100.000005] kvm_intel: CR3 = 0x0000000000001000
[  100.000006] kvm_intel: PDPTR0 = 0x0000000000000001  PDPTR1 = 0x0000000000000002
[  100.000007] kvm_intel: PDPTR2 = 0x0000000000000003  PDPTR3 = 0x0000000000000004
[  100.000008] kvm_intel: RSP = 0x0000000000000011  RIP = 0x000000000000fff0
[  100.000009] kvm_intel: RFLAGS=0x00000002         DR7 = 0x0000000000000400
[  100.000010] kvm_intel: Sysenter RSP=0000000000000000 CS:RIP=0000:0000000000000000
[  100.000011] kvm_intel: CS:   sel=0xf000, attr=0x0009b, limit=0x0000ffff, base=0x00000000ffff0000
[  100.000012] kvm_intel: GDTR:                           limit=0x0000ffff, base=0x0000000000000000
[  100.000013] kvm_intel: EFER= 0x0000000000000000
[  100.000014] kvm_intel: EFER = 0x0000000000000d01 (effective)
[  100.000015] kvm_intel: PAT = 0x0007040600070406
[  100.000016] kvm_intel: DebugCtl = 0x0000000000000000  DebugExceptions = 0x0000000000000000
[  100.000017] kvm_intel: PerfGlobCtl = 0x000000000000000f
[  100.000018] kvm_intel: BndCfgS = 0x0000000000000000
[  100.000019] kvm_intel: Interruptibility = 00000000  ActivityState = 00000000
[  100.000020] kvm_intel: InterruptStatus = 00ec
[  100.000021] kvm_intel: S_CET = 0x0000000000000001
[  100.000022] kvm_intel: SSP = 0x0000000000000002
[  100.000023] kvm_intel: SSP TABLE = 0x0000000000000003
[  100.000024] kvm_intel: MSR guest autoload:
[  100.000025] kvm_intel:    0: msr=0x00000600 value=0x0000000000000000
[  100.000026] kvm_intel: *** Host State ***
[  100.000027] kvm_intel: RIP = 0xffffffffc0a0b0c0  RSP = 0xffffc90000123456
[  100.000028] kvm_intel: CS=0010 SS=0018 DS=0000 ES=0000 FS=0000 GS=0000 TR=0040
[  100.000029] kvm_intel: FSBase=00007f0000000000 GSBase=ffff888000000000 TRBase=fffffe0000003000
[  100.000030] kvm_intel: GDTBase=fffffe0000001000 IDTBase=fffffe0000000000
[  100.000031] kvm_intel: CR0=0000000080050033 CR3=0000000100000000 CR4=00000000003726e0
[  100.000032] kvm_intel: Sysenter RSP=fffffe0000003000 CS:RIP=0010:ffffffff81a01540
[  100.000033] kvm_intel: EFER= 0x0000000000000d01
[  100.000034] kvm_intel: PAT = 0x0407050600070106
[  100.000035] kvm_intel: PerfGlobCtl = 0x0000000000000000
[  100.000036] kvm_intel: S_CET = 0x0000000000000000
[  100.000037] kvm_intel: SSP = 0x0000000000000000
[  100.000038] kvm_intel: SSP TABLE = 0x0000000000000000
[  100.000039] kvm_intel: *** Control State ***
[  100.000040] kvm_intel: CPUBased=0xb5a06dfa SecondaryExec=0x001010eb TertiaryExec=0x0000000000000010
[  100.000041] kvm_intel: PinBased=0x0000007f EntryControls=0000d3ff ExitControls=002befff
[  100.000042] kvm_intel: ExceptionBitmap=00060042 PFECmask=00000000 PFECmatch=00000000
[  100.000043] kvm_intel: VMEntry: intr_info=800000ec errcode=00000000 ilen=00000000
[  100.000044] kvm_intel: VMExit: intr_info=00000000 errcode=00000000 ilen=00000003
[  100.000045] kvm_intel:         reason=80000021 qualification=0000000000000000
[  100.000046] kvm_intel: IDTVectoring: info=00000000 errcode=00000000
[  100.000047] kvm_intel: TSC Offset = 0xfffffffffffff000
[  100.000048] kvm_intel: TSC Multiplier = 0x0001000000000000
[  100.000049] kvm_intel: SVI|RVI = 00|ec TPR Threshold = 0x00
[  100.000050] kvm_intel: APIC-access addr = 0x0000000012345000 virt-APIC addr = 0x0000000012346000
[  100.000051] kvm_intel: PostedIntrVec = 0xf2
[  100.000052] kvm_intel: EPT pointer = 0x000000012345605e
[  100.000053] kvm_intel: PLE Gap=00000080 Window=00001000
[  100.000054] kvm_intel: Virtual processor ID = 0x0001
"""

KVM_TRACE = """\
 qemu-system-x86-1200  [001] d..1.   100.000010: kvm_exit: vcpu 0 reason CPUID rip 0xfff1 info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000
 qemu-system-x86-1200  [001] d..1.   100.000012: kvm_entry: vcpu 0, rip 0xfff3
 qemu-system-x86-1200  [001] d..1.   100.000020: kvm_exit: reason EPT_VIOLATION rip 0x1234 info 184 0
 qemu-system-x86-1200  [001] d..1.   100.000020: kvm_nested_vmexit: vcpu 0 reason EPT_VIOLATION rip 0x1234
 qemu-system-x86-1200  [001] d..1.   100.000021: kvm_nested_vmexit_inject: reason: EPT_VIOLATION
 qemu-system-x86-1200  [001] d..1.   100.000023: kvm_entry: vcpu 0, rip 0x1234
 qemu-system-x86-1200  [001] d..1.   100.000030: kvm_nested_vmenter_failed: CC(!nested_cpu_has_nmi_exiting(vmcs12))
"""

BOCHS = """\
00001234567d[CPU0  ] VMENTER to x86-64 guest
00001234600d[CPU0  ] VMEXIT reason = 18 (VMCALL) qualification=0x0
00001234650d[CPU0  ] VMENTER to x86-64 guest
00001234700d[CPU0  ] VMEXIT reason = 48 (EPT violation) qualification=0x181
00001234800e[CPU0  ] VMFAIL: VMCS EXEC CTRL: VMX controls check failed
"""

VIRTUALBOX_CAPS = """\
00:00:01.2 MSR_IA32_VMX_BASIC_INFO = d8100000000012
00:00:01.2 MSR_IA32_VMX_PINBASED_CTLS = 3f00000016
00:00:01.2   EXT_INT_EXIT
00:00:01.2 MSR_IA32_VMX_PROCBASED_CTLS = f7f9fffe0401e172
00:00:05.0 IEM: rdmsr(0x140) -> #GP(0)
"""

# What `scripts/hostile --log` writes.
HOSTILE = """\
# commit: 05b3023
# command: scripts/hostile --seeds 1-2 --ops 4000 --log hostile.log
# machine: Bochs, corei7_skylake_x, 1 CPU; L1: lhv, mode=hostile (docs/lhv.md)
seed 1, 1 CPU: 2008 operations, 152842455 ticks, passed
HOSTILE cpu 0 operations 2008 entered 250 failed 122 faults 56 canaries 38
HOSTILE cpu 0 NMIs sent 0 INITs sent 0 INIT exits 0 restarts 0 refused 0 excused 0
HOSTILE cpu 0 372 VM entries
HOSTILE cpu 0 exit reason 0 exception-nmi: 78
HOSTILE cpu 0 exit reason 48 ept-violation: 15
HOSTILE cpu 0 L0 counters 2: 250 250 31
HOSTILE hash of L0 before 0x3986f0bba46daa9d after 0x3986f0bba46daa9d
HOSTILE all operations 2008 violations 0
seed 2, 1 CPU: 2009 operations, 152900000 ticks, passed
HOSTILE cpu 0 operations 2009 entered 237 failed 165 faults 50 canaries 42
HOSTILE cpu 0 exit reason 0 exception-nmi: 68
HOSTILE hash of L0 before 0x3986f0bba46daa9d after 0x3986f0bba46daa9d
HOSTILE all operations 2009 violations 0
# hostile: 2 passed, 0 failed (4,017 operations)
"""

TRACE_REASONS = ("cpuid", "ept-violation", "vmresume", "io", "hlt", "vmread", "exception-nmi")
TRACE_EVENTS = ("0x80000b0e", "0x80000b0d", "0x80000202")


def trace(count: int, dumps: bool = True, seed: int = 7) -> str:
    """An exit trace in our form, with three dumps before its end."""
    dice = random.Random(seed)
    lines = []
    when = 0
    for index in range(count):
        when += dice.randrange(100, 5000)
        reason = dice.choice(TRACE_REASONS)
        kind = "102" if reason == "vmresume" else dice.choice(("101", "201"))
        cpu = 5 if index == count - 5 else dice.choice((4, 5))
        event = f" intr={dice.choice(TRACE_EVENTS)}" if reason == "exception-nmi" else " inject=0x800000ec" if when % 4 == 0 and kind == "102" else ""
        lines.append(f"CPU(0x{cpu:02x}): {kind} 0x{dice.randrange(1 << 40):016x} {reason} "
                     f"qual=0x{0x181 if reason == 'ept-violation' else 0:x}{event} ticks={dice.randrange(50, 3000)} tsc={when}")
        if dumps and index == count - 5:
            lines += ours("failure01") + ours("failure12", **AFTER) + ours("failure02", **FAILED)
    return "\n".join(lines) + "\n"
