# SPDX-License-Identifier: BSD-2-Clause
"""The one exception that the lab's commands turn into a message."""


class LabError(Exception):
    """Something the user can put right; the text says what."""


class UsageError(LabError):
    """Options that make no sense."""
