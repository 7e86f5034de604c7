/* paths.c - object paths to VMs and back */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "bus/objects.h"

#define PARTITION_PATTERN HVMD_VM_PREFIX "/%/partition/%"

char *vm_path(const struct vm *vm)
{
	char *path;

	return sd_bus_path_encode(HVMD_VM_PREFIX, vm->stored->name, &path) < 0 ? NULL : path;
}

char *partition_path(const struct vm_partition *partition)
{
	char *path;

	return sd_bus_path_encode_many(&path, PARTITION_PATTERN, partition->vm->stored->name,
		       partition_role_to_string(partition->role)) < 0
		? NULL
		: path;
}

int find_vm(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error)
{
	_cleanup_free_ char *name = NULL;
	struct bus *bus = userdata;
	int r;

	(void)sd, (void)interface, (void)error;
	r = sd_bus_path_decode(path, HVMD_VM_PREFIX, &name);
	if (r <= 0)
		return r;
	*ret_found = registry_find(bus->registry, name, NULL);
	return *ret_found ? 1 : 0;
}

int find_partition(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error)
{
	_cleanup_free_ char *name = NULL, *role = NULL;
	struct bus *bus = userdata;
	struct vm *vm;
	int r;

	(void)sd, (void)interface, (void)error;
	r = sd_bus_path_decode_many(path, PARTITION_PATTERN, &name, &role);
	if (r <= 0)
		return r;
	vm = registry_find(bus->registry, name, NULL);
	for (int i = 0; vm && i < N_PARTITION_ROLES; i++)
		if (vm->partitions[i].present &&
			strcmp(role, partition_role_to_string((enum partition_role)i)) == 0) {
			*ret_found = &vm->partitions[i];
			return 1;
		}
	return 0;
}

int find_hrt(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error)
{
	int r = find_partition(sd, path, interface, userdata, ret_found, error);

	return r > 0 && ((struct vm_partition *)*ret_found)->role != PARTITION_HRT ? 0 : r;
}

/* Appends the paths of a VM and its partitions; false when memory is short. */
static bool add_paths(char **nodes, size_t *n, struct vm *vm)
{
	nodes[*n] = vm_path(vm);
	if (!nodes[(*n)++])
		return false;
	for (int i = 0; i < N_PARTITION_ROLES; i++) {
		if (!vm->partitions[i].present)
			continue;
		nodes[*n] = partition_path(&vm->partitions[i]);
		if (!nodes[(*n)++])
			return false;
	}
	return true;
}

int enumerate_vms(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error)
{
	struct registry *registry = ((struct bus *)userdata)->registry;
	char **nodes = calloc(registry->n_vms * (1 + N_PARTITION_ROLES) + 1, sizeof(*nodes));
	bool ok = nodes;
	size_t n = 0;

	(void)sd, (void)prefix, (void)error;
	for (size_t i = 0; ok && i < registry->n_vms; i++)
		ok = add_paths(nodes, &n, registry->vms[i]);
	if (!ok) {
		for (size_t i = 0; nodes && i < n; i++)
			free(nodes[i]);
		free(nodes);
		return -ENOMEM;
	}
	*ret_nodes = nodes;
	return 1;
}
