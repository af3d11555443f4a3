# SPDX-License-Identifier: BSD-2-Clause
def add_arguments(parser): pass
def run(options): return 2
