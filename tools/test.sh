#!/bin/sh
# Builds milterd out of the tree and runs its whole test suite:
#
#     sh tools/test.sh [--sanitize] [--clang] [--werror] [--no-install]
#
#     --sanitize    with the address and undefined behaviour sanitizers
#     --clang       with clang instead of the usual compiler
#     --werror      warnings are errors
#     --no-install  with what is installed; what is missing is skipped or fails
#
# On Debian 12 nothing need be there before: missing packages are installed, by
# root or sudo. The build is in build/ (build-clang/, build-sanitize/ ...) and
# stays there, so that the next run is short. Further arguments of configure are
# taken from CONFIGURE_FLAGS.
#
# The last line is "N passed, N failed, N skipped". The exit status is 0 when
# none failed; where CI is set to true, a skipped test is a failure too.
set -eu

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

cd "$(dirname "$0")/.."
build=build
install=yes
flags=
for argument; do
    case $argument in
    --sanitize) build=$build-sanitize flags="$flags --enable-sanitizers" ;;
    --clang) build=$build-clang flags="$flags CC=clang" ;;
    --werror) flags="$flags --enable-werror" ;;
    --no-install) install=no ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 64
        ;;
    esac
done
flags="$flags ${CONFIGURE_FLAGS:-}"
jobs=$(nproc 2>/dev/null || echo 2)

give_up() {
    echo "test.sh: $*" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

if [ "$install" = yes ]; then
    sh tools/install-packages.sh tools/packages tools/packages.checks ||
        give_up "packages are missing; --no-install goes on without them"
fi

if [ ! -e configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
    echo "test.sh: autoreconf"
    autoreconf -i || give_up "autoreconf failed"
fi

# Configured anew when configure or the flags have changed.
mkdir -p "$build"
if [ ! -e "$build/Makefile" ] || [ -n "$(find configure -newer "$build/config.status")" ] ||
    [ "$flags" != "$(cat "$build/configured-with" 2>/dev/null)" ]; then
    echo "test.sh: configure in $build/"
    # shellcheck disable=SC2086 # one word each
    (cd "$build" && ../configure -q $flags) || give_up "configure failed, see $build/config.log"
    echo "$flags" >"$build/configured-with"
fi

make -C "$build" -j "$jobs" all || give_up "the build failed"

totals=$build/test-suite.log
rm -f "$totals"
status=0
make -C "$build" -j "$jobs" check VERBOSE=1 </dev/null || status=$?
[ -e "$totals" ] || give_up "the tests could not be built"

count() {
    awk -v names=" $1 " '
        $1 == "#" && index(names, " " $2 " ") { n += $3 }
        END { print n + 0 }' "$totals"
}
passed=$(count "PASS: XFAIL:")
failed=$(count "FAIL: XPASS: ERROR:")
skipped=$(count "SKIP:")

if [ "$skipped" -gt 0 ]; then
    echo "test.sh: skipped:"
    find "$build" -name '*.trs' -exec grep -l '^:test-result: SKIP' {} + | while read -r result; do
        name=${result%.trs}
        echo "    ${name#"$build"/}: $(sed -e '/^SKIP /d' -e 's/^1\.\.0 # SKIP //' "$name.log" | tail -n 1)"
    done
    if [ "${CI:-}" = true ]; then
        echo "test.sh: CI is true, so nothing may be skipped"
        status=1
    fi
fi
[ "$failed" -eq 0 ] || status=1

echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
