# SPDX-License-Identifier: BSD-2-Clause
"""What the scripts around lhv share."""
