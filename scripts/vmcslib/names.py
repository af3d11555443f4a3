# SPDX-License-Identifier: BSD-2-Clause
"""Other people's names of VMCS fields and exit reasons, mapped to those of the tables.

Only names that differ are here; the encodings and widths stay where they are, in the tables.
"""

import re
from functools import lru_cache

from .tables import tables

# XMHF64's names without "control_", "info_", case and underscores, where a rule below is not enough.
XMHF64 = {
    "postinterruptnotificationvec": "posted_interrupt_notification_vector",
    "iobitmapaaddress": "io_bitmap_a_address",
    "iobitmapbaddress": "io_bitmap_b_address",
    "msrbitmapsaddress": "msr_bitmap_address",
    "virtualapicpageaddress": "virtual_apic_address",
    "postedinterruptdescaddress": "posted_interrupt_descriptor_address",
    "eptpointer": "eptp",
    "virtexceptioninfoaddress": "virtualization_exception_information_address",
    "subpagepermissiontablepointer": "sub_page_permission_table_pointer",
    "tertiaryprocbasedvmexecctls": "tertiary_processor_based_controls",
    "guestpaddr": "guest_physical_address",
    "guestvmcslinkpointer": "vmcs_link_pointer",
    "guestpmlindex": "pml_index",
    "guestpendingdebugx": "guest_pending_debug_exceptions",
    "guestinterruptibility": "guest_interruptibility_state",
    "guestvmxpreemptiontimervalue": "preemption_timer_value",
    "vmxpinbased": "pin_based_controls",
    "vmxcpubased": "processor_based_controls",
    "vmxseccpubased": "secondary_processor_based_controls",
    "pagefaulterrorcodemask": "page_fault_error_code_mask",
    "pagefaulterrorcodematch": "page_fault_error_code_match",
    "entryexceptionerrorcode": "entry_exception_error_code",
    "taskprivilegethreshold": "tpr_threshold",
    "cr0mask": "cr0_guest_host_mask",
    "cr4mask": "cr4_guest_host_mask",
    "cr0shadow": "cr0_read_shadow",
    "cr4shadow": "cr4_read_shadow",
    "cr3target0": "cr3_target_value0",
    "cr3target1": "cr3_target_value1",
    "cr3target2": "cr3_target_value2",
    "cr3target3": "cr3_target_value3",
    "vminstrerror": "vm_instruction_error",
    "vmexitreason": "exit_reason",
    "vmexitinterruptinformation": "exit_interruption_information",
    "vmexitinterrupterrorcode": "exit_interruption_error_code",
    "vmexitinstructionlength": "exit_instruction_length",
    "vmxinstructioninformation": "exit_instruction_information",
}

# What Linux's trace calls an exit, where removing _ and a suffix does not give the enumerator.
KVM_REASONS = {
    "EXCEPTION_NMI": "EXCEPTION_OR_NMI", "PENDING_INTERRUPT": "INTERRUPT_WINDOW",
    "MSR_READ": "RDMSR", "MSR_WRITE": "WRMSR", "INVALID_STATE": "ENTRY_FAILURE_GUEST",
    "MSR_LOAD_FAIL": "ENTRY_FAILURE_MSR", "MCE_DURING_VMENTRY": "ENTRY_FAILURE_MCE",
    "EPT_MISCONFIG": "EPT_MISCONFIGURATION", "EOI_INDUCED": "VIRTUALIZED_EOI",
    "GDTR_IDTR": "GDTR_IDTR_ACCESS", "LDTR_TR": "LDTR_TR_ACCESS", "VMON": "VMXON",
    "VMOFF": "VMXOFF", "NOTIFY": "INSTRUCTION_TIMEOUT", "SIPI_SIGNAL": "SIPI",
}

# Names in Linux's and Xen's dumps of values that stand for one field each.
LINUX_XEN = {
    "CR3": "{side}_cr3", "RSP": "{side}_rsp", "RIP": "{side}_rip", "RFLAGS": "guest_rflags",
    "DR7": "guest_dr7", "EFER": "{side}_ia32_efer", "PAT": "{side}_ia32_pat",
    "DebugCtl": "guest_ia32_debugctl", "DebugExceptions": "guest_pending_debug_exceptions",
    "PerfGlobCtl": "{side}_ia32_perf_global_ctrl", "BndCfgS": "guest_ia32_bndcfgs",
    "Interruptibility": "guest_interruptibility_state", "ActivityState": "guest_activity_state",
    "InterruptStatus": "guest_interrupt_status", "PreemptionTimer": "preemption_timer_value",
    "SM Base": "guest_smbase", "CR0": "{side}_cr0", "CR4": "{side}_cr4",
    "FSBase": "host_fs_base", "GSBase": "host_gs_base", "TRBase": "host_tr_base",
    "GDTBase": "host_gdtr_base", "IDTBase": "host_idtr_base",
    "PinBased": "pin_based_controls", "CPUBased": "processor_based_controls",
    "SecondaryExec": "secondary_processor_based_controls",
    "TertiaryExec": "tertiary_processor_based_controls",
    "EntryControls": "entry_controls", "ExitControls": "exit_controls",
    "SecondaryExitControls": "secondary_exit_controls",
    "ExceptionBitmap": "exception_bitmap", "PFECmask": "page_fault_error_code_mask",
    "PFECmatch": "page_fault_error_code_match",
    "reason": "exit_reason", "qualification": "exit_qualification",
    "TSC Offset": "tsc_offset", "TSC Multiplier": "tsc_multiplier",
    "TPR Threshold": "tpr_threshold", "APIC-access addr": "apic_access_address",
    "virt-APIC addr": "virtual_apic_address",
    "PostedIntrVec": "posted_interrupt_notification_vector", "EPT pointer": "eptp",
    "EPTP index": "eptp_index", "Virtual processor ID": "vpid",
    "VMfunc controls": "vm_function_controls", "PLE Gap": "ple_gap", "Window": "ple_window",
    "VE info address": "virtualization_exception_information_address",
    "SSP": "{side}_ssp", "S_CET": "{side}_ia32_s_cet",
    "SSP TABLE": "{side}_ia32_interrupt_ssp_table_addr",
    "PDPTR0": "guest_pdpte0", "PDPTR1": "guest_pdpte1", "PDPTR2": "guest_pdpte2",
    "PDPTR3": "guest_pdpte3", "PDPTE0": "guest_pdpte0", "PDPTE1": "guest_pdpte1",
    "PDPTE2": "guest_pdpte2", "PDPTE3": "guest_pdpte3",
    "VMCS link pointer": "vmcs_link_pointer", "link pointer": "vmcs_link_pointer",
}


def squeeze(name: str) -> str:
    """Without case and underscores."""
    return name.lower().replace("_", "")


@lru_cache(maxsize=None)
def squeezed_fields() -> dict:
    """The tables' names, squeezed."""
    return {squeeze(name): name for name in tables().by_name}


@lru_cache(maxsize=4096)
def field_of_name(name: str):
    """The table's name of a field that our or XMHF64's logs call @name; None if nobody does."""
    if name in tables().by_name:
        return name
    plain = squeeze(re.sub(r"^(control|info)_", "", name, flags=re.IGNORECASE))
    plain = re.sub(r"^vm(exit|entry)(?=control|msr|inter|exc|instr)", r"\1", plain) \
        if plain not in XMHF64 else plain
    known = squeezed_fields()
    for candidate in (plain, re.sub(r"full$", "", plain)):
        if candidate in XMHF64:
            return XMHF64[candidate]
        if candidate in known:
            return known[candidate]
        sysenter = re.sub(r"^(guest|host)sysenter", r"\1ia32sysenter", candidate)
        if sysenter in known:
            return known[sysenter]
    return None


@lru_cache(maxsize=1024)
def reason_of_name(name: str):
    """The number of the exit reason that a log calls @name (any project's spelling), or None."""
    numbers = tables().exit_enumerators
    upper = name.upper().replace("-", "_")
    for candidate in (KVM_REASONS.get(upper, upper), re.sub(r"_(INSTRUCTION|EXIT)$", "", upper)):
        if candidate in numbers:
            return numbers[candidate]
    for number, text in tables().exit_reasons.items():
        if text == name.lower():
            return number
    match = re.fullmatch(r"(?:reason-?|UNKNOWN_?)?(0x[0-9a-f]{1,8}|\d{1,9})", name, re.IGNORECASE)
    return int(match[1], 16 if match[1][:2] in ("0x", "0X") else 10) & 0xFFFFFFFF if match else None
