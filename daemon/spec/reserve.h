/*
 * reserve.h - memory for libxml2 when there is none
 *
 * libxml2 crashes in dozens of places when malloc() fails, and takes half a tree
 * for a whole one in others. So for libxml2 malloc() does not fail: what the heap
 * refuses comes out of a reserve that is large enough for the largest text that is read.
 */
#pragma once

/* From now on libxml2 has the reserve. Comes before anything else of libxml2; a second call does nothing. */
void reserve_for_libxml2(void);
