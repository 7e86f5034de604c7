/*
 * prepare.h - from a definition and its files to what is booted, and where: for starts and inspections alike
 *
 * Nothing is written and nothing is run; all refusals about images come from here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "guest/file.h"
#include "guest/hrt.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"
#include "image/hrt.h"

struct error;
struct vm_spec;

struct prepared {
	struct hrt_source hrt;  /* where the VM is hybrid; borrows the image below, and the files */
	struct hrt_image image;
	struct ros_boot ros;    /* where its ROS has a kernel; borrows the plan below, and the files */
	struct plan plan;
};

/* Whether something boots, or is handed, the file with this number. */
bool prepare_needs_file(const struct vm_spec *spec, size_t file);

/*
 * Reads the images and plans. `files`, one for each of the definition, is
 * borrowed for the life of *ret, which does not move. Returns 0, or a negative
 * errno with a sentence.
 */
int prepare(const struct vm_spec *spec, const struct guest_file *files, const struct hrt_processor *processor,
	struct prepared *ret, struct error *e);
