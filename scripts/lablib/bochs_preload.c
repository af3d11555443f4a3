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
 */
#include <netinet/in.h>
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
