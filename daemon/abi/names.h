/*
 * names.h - what D-Bus callers see spelled out
 *
 * Names of errors are part of the interface; each has one errno with which it
 * travels inside hvmd, over the monitor's link, and in the client.
 */
#pragma once

#define HVMD_BUS_NAME  "org.hvmd1"
#define HVMD_PATH      "/org/hvmd1"
#define HVMD_VM_PREFIX "/org/hvmd1/vm"

#define HVMD_IFACE_MANAGER   "org.hvmd1.Manager"
#define HVMD_IFACE_VM        "org.hvmd1.VM"
#define HVMD_IFACE_PARTITION "org.hvmd1.Partition"
#define HVMD_IFACE_HRT       "org.hvmd1.HRT"

/* hvm-registrar, which hvmd asks for what is for root: Register(s VM, ay UUID, u leader, t memory, t CPU weight) */
#define HVMD_REGISTRAR_NAME "org.hvmd1.Registrar"
#define HVMD_REGISTRAR_PATH "/org/hvmd1/Registrar"

#define HVMD_LOG_CONTROL_PATH  "/org/freedesktop/LogControl1"
#define HVMD_IFACE_LOG_CONTROL "org.freedesktop.LogControl1"

/* X(D-Bus error name, errno) */
#define HVMD_ERRORS(X)                                                                                         \
	X("org.hvmd1.NoSuchVM", ENOENT)                                                                        \
	X("org.hvmd1.VMExists", EEXIST)                                                                        \
	X("org.hvmd1.InvalidDefinition", EBADMSG)                                                              \
	X("org.hvmd1.NotRunning", ESRCH)                                                                       \
	X("org.hvmd1.AlreadyRunning", EALREADY)                                                                \
	X("org.hvmd1.NotPaused", EBADFD)                                                                       \
	X("org.hvmd1.Busy", EBUSY)                                                                             \
	X("org.hvmd1.BadBootImage", ENOEXEC)                                                                   \
	X("org.hvmd1.UnsupportedBootProtocol", EPROTONOSUPPORT)                                                \
	X("org.hvmd1.KVMUnavailable", ENODEV)                                                                  \
	X("org.hvmd1.ResourceConflict", EADDRINUSE)                                                            \
	X("org.hvmd1.InvalidPartition", ECHRNG)                                                                \
	X("org.hvmd1.NoSuchConsole", ENOTTY)                                                                   \
	X("org.hvmd1.ConsoleBusy", EUSERS)                                                                     \
	X("org.hvmd1.NotSupported", EOPNOTSUPP)                                                                \
	X("org.freedesktop.DBus.Error.InvalidArgs", EINVAL)                                                    \
	X("org.freedesktop.DBus.Error.AccessDenied", EACCES)                                                   \
	X("org.freedesktop.DBus.Error.NoMemory", ENOMEM)                                                       \
	X("org.freedesktop.DBus.Error.Timeout", ETIMEDOUT)                                                     \
	X("org.freedesktop.DBus.Error.LimitsExceeded", ENOBUFS)                                                \
	X("org.freedesktop.DBus.Error.IOError", EIO)                                                           \
	X("org.freedesktop.DBus.Error.Failed", ECANCELED)
