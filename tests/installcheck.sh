#!/bin/sh
# "make installcheck": what was installed serves a plugin's author and an
# administrator: the header and milterd.pc build a plugin, milterd takes the
# plugins and the configuration that were installed with it.
set -eu

: "${sbindir:?}" "${confdir:?}" "${plugindir:?}" "${pkgconfigdir:?}" "${top_srcdir:?}" "${CC:?}"
PKG_CONFIG=${PKG_CONFIG:-pkg-config}

fail() {
    echo "installcheck: $*" >&2
    exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

pc() {
    PKG_CONFIG_PATH=$pkgconfigdir PKG_CONFIG_SYSROOT_DIR=${DESTDIR:-} "$PKG_CONFIG" "$@" milterd
}

abi=$(sed -n 's/^#define MILTER_ABI *//p' "$top_srcdir/include/milterd/plugin.h")
[ "$(pc --variable=abi)" = "$abi" ] || fail "milterd.pc says another ABI than the header"
case $(pc --variable=plugindir) in
"$plugindir" | "${plugindir#"${DESTDIR:-}"}") ;;
*) fail "milterd.pc says plugindir is $(pc --variable=plugindir), plugins are in $plugindir" ;;
esac

# The command of <milterd/plugin.h>, with the words of this build's compiler.
# shellcheck disable=SC2046,SC2086 # one word each
$CC -shared -fPIC $(pc --cflags) -o "$scratch/hello.so" "$top_srcdir/plugins/hello/hello.c" ||
    fail "plugins/hello does not build with the installed header"

for plugin in hello headers access; do
    [ -r "$plugindir/$plugin.so" ] || fail "$plugindir/$plugin.so is missing"
done
[ -r "$confdir/milter.conf" ] || fail "$confdir/milter.conf is missing"

"$sbindir/milterd" -V >/dev/null || fail "milterd -V ends with status $?"
if [ -z "${DESTDIR:-}" ]; then
    "$sbindir/milterd" -t || fail "milterd refuses the installed milter.conf"
fi
echo "installcheck: milterd, $(cd "$plugindir" && echo *.so), milter.conf and milterd.pc serve"
