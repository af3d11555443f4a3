/* SPDX-License-Identifier: BSD-2-Clause */
/* EPT01 for EPT02: the machine's. */
#include "nested/ept02/lower.h"

#include "xmhf/vmx/machine.h"

bool ept02_lower_lookup(l1pa_t address, struct ept01_translation *out)
{
	if (ept01_walk(&machine.ept, address, out))
		return true;
	/* Device memory above RAM is mapped when it is first used. */
	if (ept01_map_on_demand(&machine.ept, address) != EPT01_DONE)
		return false;
	return ept01_walk(&machine.ept, address, out);
}
