/*
 * terminal.h - a terminal that passes on every key, and is put back whatever happens
 *
 * Put back at the end, at each signal that ends us or stops us, and made raw
 * again when we go on. One terminal a process.
 */
#pragma once

/* Returns 0, or a negative errno and nothing has changed. Borrows fd for as long as the terminal is raw. */
int terminal_raw(int fd);

/* Puts it back as it was. Does nothing where it was not made raw. */
void terminal_restore(void);
