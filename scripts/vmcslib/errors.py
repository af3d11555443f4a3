# SPDX-License-Identifier: BSD-2-Clause
"""The one exception a user sees as a message instead of a traceback."""


class VmcsError(Exception):
    """Trouble with the input or the request; its text is for the user.  Exit status 2."""
