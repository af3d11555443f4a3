/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into Bochs.
 *
 * RDRAND and RDSEED take their numbers from rand(), which Bochs seeds with the time of day.
 * Without a seed two runs of one image are the same, tick by tick.
 *
 * The display library listens for VNC viewers on every network interface, without a password.
 * Here it listens on the loopback interface only.  It also shares its port with whoever binds
 * it in the same moment, finds that out in listen(), and then tries the next ports with a
 * socket that is bound already; without SO_REUSEADDR the second bind() fails as it should.
 *
 * Bochs can save itself, but only its own debugger and windows ask it to.  Here the guest asks,
 * by a line on port 0xE9, which Bochs hands to putc(): with the directory LAB_SNAPSHOT in the
 * environment Bochs saves itself there and ends, otherwise nothing happens.  The state is that
 * after the OUT instruction: it has advanced RIP before, and changes nothing afterwards.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

void srand(unsigned int seed);

void srand(unsigned int seed)
{
	(void)seed;
}

int bind(int file, const struct sockaddr *address, socklen_t length)
{
	struct sockaddr_in loopback;
	int off = 0;

	if (address->sa_family != AF_INET || length != sizeof(loopback))
		return (int)syscall(SYS_bind, file, address, length);
	memcpy(&loopback, address, sizeof(loopback));
	loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &off, sizeof(off));
	return (int)syscall(SYS_bind, file, &loopback, length);
}

/* Of Bochs: the simulator's interface, and a method of it. */
extern void *SIM __attribute__((weak));
extern unsigned char save_state(void *sim,
				const char *directory) __asm__("_ZN13bx_real_sim_c10save_stateEPKc")
	__attribute__((weak));

static const char mark[] = "\nLAB-SNAPSHOT\n";

static void save_and_end(const char *directory)
{
	int saved = &SIM && save_state && save_state(SIM, directory);

	fprintf(stderr, saved ? "snapshot saved\n" : "Bochs could not save a snapshot\n");
	fflush(NULL);
	_exit(saved ? 0 : 1);
}

#undef putc
int putc(int c, FILE *stream)
{
	static unsigned int seen;
	const char *directory;

	seen = c == mark[seen] ? seen + 1 : c == mark[0];
	if (mark[seen] == '\0') {
		seen = 0;
		directory = getenv("LAB_SNAPSHOT");
		if (directory)
			save_and_end(directory);
	}
	return fputc(c, stream);
}
