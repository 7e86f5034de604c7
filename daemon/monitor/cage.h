/*
 * cage.h - giving up rights before touching what strangers made
 *
 * An inspector (inspect.h) parses images and answers; it needs memory, its link,
 * and nothing else of the kernel.
 */
#pragma once

struct error;

/*
 * From here on this process opens no file, makes no socket and no process, has
 * 60 seconds of processor time, writes no file, and holds at most 2 GiB. What is
 * not allowed kills it (SIGSYS). Returns 0, or a negative errno with a sentence.
 */
int cage_enter_inspector(struct error *e);
