/* Lets the 6.1 kernel of User-mode Linux run on processors whose extended state is larger than its buffer for it (AMX).
 *
 * It reads and writes the registers of its processes with ptrace(2) and NT_X86_XSTATE, in a buffer that ends behind
 * AVX-512. The host accepts such a state only whole. So what the buffer lacks is added from the process itself. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NT_X86_XSTATE 0x202

typedef long (*ptrace_call)(int, ...);

static ptrace_call real;
/* The stacks of that kernel are small, and it has one processor only. */
static char whole[1 << 16];

__attribute__((constructor)) static void find(void)
{
	real = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);
	int is_state = (long)address == NT_X86_XSTATE && (request == PTRACE_GETREGSET || request == PTRACE_SETREGSET);
	if (!is_state)
		return real(request, pid, address, data);
	struct iovec *part = data;
	struct iovec state = { whole, sizeof(whole) };
	long result = real(PTRACE_GETREGSET, pid, address, &state);
	if (result < 0)
		return result;
	size_t length = part->iov_len < state.iov_len ? part->iov_len : state.iov_len;
	if (request == PTRACE_GETREGSET) {
		memcpy(part->iov_base, whole, length);
		part->iov_len = length;
		return result;
	}
	memcpy(whole, part->iov_base, length);
	return real(PTRACE_SETREGSET, pid, address, &state);
}
