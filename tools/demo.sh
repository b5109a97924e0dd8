#!/bin/sh
# Builds milterd, starts it on milter.conf with a private Postfix in front of it,
# sends a few mails and shows for each what was replied and what was delivered:
#
#     sh tools/demo.sh            exits 0 when every outcome is as it should be
#     sh tools/demo.sh --keep     the same, and leaves both running
#     sh tools/demo.sh --send FROM TO... <FILE    sends a mail of one's own then
#     sh tools/demo.sh --stop     ends what --keep has left running
#
# On Debian 12 nothing need be there before: missing packages are installed, by
# root or sudo. The build is in build/. Postfix needs root (sudo is used), runs
# from a temporary directory, listens on 127.0.0.1 alone and delivers nothing to
# the outside; an installed Postfix is not touched.
set -eu

usage() {
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

cd "$(dirname "$0")/.."
build=build

sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    if ! command -v sudo >/dev/null 2>&1; then
        echo "demo.sh: a private Postfix needs root: run this as root, or install sudo" >&2
        exit 1
    fi
fi

mail() {
    $sudo /usr/bin/python3 tools/demo_mail.py --build "$build" "$@"
}

case ${1:-} in
'' | --keep)
    if [ $# -gt 1 ]; then
        usage >&2
        exit 64
    fi
    ;;
--send | --stop)
    mail "$@"
    exit
    ;;
--help | -h)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 64
    ;;
esac

sh tools/install-packages.sh tools/packages

log=$build/demo-build.log
mkdir -p "$build"
: >"$log"

# Says what is done; shows its output only where it fails.
quietly() {
    echo "demo.sh: $1"
    shift
    if ! "$@" >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        echo "demo.sh: failed; all of the output is in $log" >&2
        exit 1
    fi
}

configure() (
    cd "$build"
    # shellcheck disable=SC2086 # one word each
    ../configure -q ${CONFIGURE_FLAGS:-}
)

if [ ! -e configure ] || [ -n "$(find configure.ac Makefile.am -newer configure)" ]; then
    quietly "autoreconf" autoreconf -i
fi
if [ ! -e "$build/Makefile" ] || [ -n "$(find configure -newer "$build/config.status")" ]; then
    quietly "configure in $build/" configure
fi
quietly "make" make -C "$build" -j "$(nproc 2>/dev/null || echo 2)" all

mail "$@"
