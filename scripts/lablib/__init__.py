# SPDX-License-Identifier: BSD-2-Clause
"""The lab: disk images, emulators, and the verdict of a boot.  See docs/lab.md."""
