# SPDX-License-Identifier: BSD-2-Clause
"""Boots of the hypervisor in emulators, as a table.  See scripts/check-emu --help."""
