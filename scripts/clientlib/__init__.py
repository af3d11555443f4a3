# SPDX-License-Identifier: BSD-2-Clause
"""Real hypervisors as L1: what to boot, how to show it, and what came of it."""
