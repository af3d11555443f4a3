# SPDX-License-Identifier: BSD-2-Clause
"""Reads, decodes, compares and explains VMCS dumps: the modules behind scripts/vmcs."""
