/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/boot/cmdline.c xmhf/vmx/vmxcap.c */
/* words: serial= boot_drive= log= cpus= vmx= vmxcap. .0 =0 =1 off on 0x3f8 serial,vga,ring
 * vmxcap.ENABLE_EPT=0 vmxcap.enable_vpid=0 vmxcap.VMCS_SHADOWING=0 115200 */
/* Any text as command line: values stay in their ranges, warnings are proper strings. */
#include "xmhf/boot/cmdline.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_possible(const struct cmdline *c)
{
	return c->serial_port >= 1 && c->serial_port <= 0xfff8 && c->serial_baud >= 2 &&
	       c->serial_baud <= 115200 && c->boot_drive >= -1 && c->boot_drive <= 0xff &&
	       (c->log_serial || c->log_vga || c->log_ring) && c->cpus <= 0xffff;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	char *text = malloc(size + 1);
	bool truncated = size & 1;
	struct cmdline c;

	memcpy(text, data, size);
	text[size] = '\0';
	cmdline_parse(text, truncated, &c);
	free(text);
	if (!is_possible(&c))
		abort();
	for (unsigned int i = 0; i < c.warning_count && i < CMDLINE_WARNINGS_MAX; i++)
		if (!memchr(c.warnings[i].word, 0, sizeof(c.warnings[i].word)) ||
		    (!c.warnings[i].word[0] && !(truncated && i == 0)) || !c.warnings[i].reason)
			abort();
	return 0;
}
