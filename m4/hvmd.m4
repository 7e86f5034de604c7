# The compiler flags and the install folders that configure.ac asks for by name.

# HVMD_WARNINGS
# Sets HVMD_CFLAGS to warnings and hardening that every source is built with.
AC_DEFUN([HVMD_WARNINGS], [
	HVMD_CFLAGS="-std=gnu11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes"
	HVMD_CFLAGS="$HVMD_CFLAGS -Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef"
	HVMD_CFLAGS="$HVMD_CFLAGS -Wimplicit-fallthrough -Wno-missing-field-initializers"
	HVMD_CFLAGS="$HVMD_CFLAGS -fno-strict-aliasing -fno-common -fstack-protector-strong -fstack-clash-protection -fPIE"
	HVMD_LDFLAGS="-pie -Wl,-z,relro,-z,now -Wl,--as-needed"
	AC_ARG_ENABLE([werror],
		[AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
		[AS_IF([test "$enableval" = yes], [HVMD_CFLAGS="$HVMD_CFLAGS -Werror"])])
	AC_SUBST([HVMD_CFLAGS])
	AC_SUBST([HVMD_LDFLAGS])
])

# HVMD_SANITIZERS
# --enable-sanitizers builds everything with ASan and UBSan; any finding ends the program.
AC_DEFUN([HVMD_SANITIZERS], [
	AC_ARG_ENABLE([sanitizers],
		[AS_HELP_STRING([--enable-sanitizers], [build with AddressSanitizer and UndefinedBehaviorSanitizer])],
		[], [enable_sanitizers=no])
	AS_IF([test "$enable_sanitizers" = yes], [
		HVMD_CFLAGS="$HVMD_CFLAGS -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"
		HVMD_LDFLAGS="$HVMD_LDFLAGS -fsanitize=address,undefined"
		AC_DEFINE([BUILT_WITH_SANITIZERS], [1], [Built with ASan and UBSan])
	], [
		HVMD_CFLAGS="-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $HVMD_CFLAGS"
	])
	AM_CONDITIONAL([SANITIZERS], [test "$enable_sanitizers" = yes])
])

# HVMD_SYSTEM_TEST
# Whether make check includes tests/system. Once is enough, and it takes a minute: not with sanitizers.
AC_DEFUN([HVMD_SYSTEM_TEST], [
	AC_REQUIRE([HVMD_SANITIZERS])
	AC_ARG_ENABLE([system-test],
		[AS_HELP_STRING([--disable-system-test], [leave out the test of a whole system in QEMU])],
		[], [enable_system_test=yes])
	AM_CONDITIONAL([SYSTEM_TEST], [test "$enable_system_test" = yes && test "$enable_sanitizers" != yes])
])

# HVMD_SYSTEMD_DIRS
# Where units and D-Bus files go; below the prefix unless told otherwise, so
# that an install by an ordinary user and distcheck both work.
AC_DEFUN([HVMD_SYSTEMD_DIRS], [
	AC_ARG_WITH([systemdsystemunitdir],
		[AS_HELP_STRING([--with-systemdsystemunitdir=DIR], [folder for system units])],
		[systemdsystemunitdir=$withval], [systemdsystemunitdir='${prefix}/lib/systemd/system'])
	AC_SUBST([systemdsystemunitdir])
	AC_SUBST([sysusersdir], ['${prefix}/lib/sysusers.d'])
	AC_SUBST([tmpfilesdir], ['${prefix}/lib/tmpfiles.d'])
	AC_SUBST([dbusinterfacesdir], ['${datadir}/dbus-1/interfaces'])
])
