/* main.c - hvmctl: makes D-Bus calls, passes files as descriptors, and prints; all else is hvmd's business */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "client/run.h"
#include "client/say.h"

int main(int argc, char **argv)
{
	enum exit_status status;

	setlocale(LC_CTYPE, ""); /* whether a terminal understands UTF-8 */
	status = run(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		say_error(NULL, "cannot write the output: %s", strerrordesc_np(errno));
		return status_first(status, STATUS_FAILED);
	}
	return status;
}
