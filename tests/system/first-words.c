/*
 * first-words.c - how long a command takes to say its first byte, and a text
 *
 * usage: first-words TEXT COMMAND [ARGUMENT]...
 *
 * Runs the command, reads its standard output until TEXT has come, ends it, and
 * prints both times in milliseconds. Fails where the text does not come: the
 * command has ended, or said nothing for five minutes.
 */
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_MS 300000

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A process group of its own, so that all of the command can be ended. */
static pid_t spawn(char **command, int *ret_output)
{
	int ends[2];
	pid_t pid;

	if (pipe(ends) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(command[0], command);
		_exit(127);
	}
	close(ends[1]);
	*ret_output = ends[0];
	return pid;
}

/* What has come, but for its beginning where that is long past; the text is searched in it. */
struct said {
	char bytes[8192];
	size_t size;
};

static ssize_t hear(struct said *said, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	if (said->size > sizeof(said->bytes) / 2) {
		memmove(said->bytes, said->bytes + sizeof(said->bytes) / 4, said->size - sizeof(said->bytes) / 4);
		said->size -= sizeof(said->bytes) / 4;
	}
	if (poll(&p, 1, SILENCE_MS) <= 0)
		return 0;
	n = read(fd, said->bytes + said->size, sizeof(said->bytes) - said->size);
	said->size += n > 0 ? (size_t)n : 0;
	return n;
}

int main(int argc, char **argv)
{
	static struct said said;
	uint64_t start = now_ms(), first = 0;
	int output = -1, status;
	bool found = false;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr, "usage: first-words TEXT COMMAND [ARGUMENT]...\n");
		return 2;
	}
	pid = spawn(argv + 2, &output);
	while (pid > 0 && !found && hear(&said, output) > 0) {
		if (!first)
			first = now_ms();
		found = memmem(said.bytes, said.size, argv[1], strlen(argv[1]));
	}
	if (found)
		printf("%llu %llu\n", (unsigned long long)(first - start), (unsigned long long)(now_ms() - start));
	else
		fprintf(stderr, "first-words: \"%s\" has not come; the last was: %.*s\n", argv[1], (int)said.size, said.bytes);
	if (pid > 0) {
		kill(-pid, SIGTERM);
		waitpid(pid, &status, 0);
	}
	return found ? 0 : 1;
}
