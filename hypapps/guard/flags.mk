# SPDX-License-Identifier: BSD-2-Clause
guard_FLAGS := -DCONFIG_HYPAPP_INTERCEPTS=1
