#!/bin/sh
# Installs the Debian packages that are named in the files given and missing
# here: one package a line, # begins a comment.
#
#     sh tools/install-packages.sh tools/packages tools/packages.checks
#
# Does nothing where nothing is missing. Needs root or sudo otherwise; never
# asks a question, never removes a package, starts no service (a Postfix that
# comes in is left without configuration and stopped). Exits 1 where a package
# is still missing in the end, after having said what to do.
set -eu

packages=$(sed -e 's/#.*//' "$@")

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "install-packages: this is no Debian, nothing is installed. What is needed is, by its names:"
    # shellcheck disable=SC2086 # one word each
    echo "   " $packages
    exit 0
fi

missing=
for package in $packages; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) || status=
    [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

by_hand() {
    echo "install-packages: by hand, as root:" >&2
    echo "    apt-get install$missing" >&2
    exit 1
}

if [ "$(id -u)" -ne 0 ]; then
    echo "install-packages: missing:$missing"
    if ! command -v sudo >/dev/null 2>&1; then
        echo "install-packages: not root, and there is no sudo" >&2
        by_hand
    fi
    # A password can only be asked for where somebody sits.
    if [ -t 0 ] || sudo -n true 2>/dev/null; then
        exec sudo sh "$0" "$@"
    fi
    echo "install-packages: not root, and sudo asks for a password" >&2
    by_hand
fi

# dpkg asks this program whether a service may be started. What somebody else
# has put there is set aside and comes back.
policy=/usr/sbin/policy-rc.d
aside=$policy.before-milterd

# shellcheck disable=SC2317 # the trap calls it
put_back() {
    rm -f "$policy"
    [ ! -e "$aside" ] || mv "$aside" "$policy"
}

trap put_back EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ] && [ ! -e "$aside" ]; then
    mv "$policy" "$aside"
fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
case " $missing " in
*" postfix "*)
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    ;;
esac

echo "install-packages: installing$missing"
log=$(mktemp)
# --no-remove: a mail server of the machine's own stays, though it conflicts with postfix.
# shellcheck disable=SC2086 # one word each
if {
    apt-get -q update # a list that cannot be had need not be one that matters
    apt-get -q install -y --no-install-recommends --no-remove \
        -o DPkg::Lock::Timeout=120 $missing
} >"$log" 2>&1; then
    rm -f "$log"
    exit 0
fi
tail -n 20 "$log" >&2
echo "install-packages: apt-get failed, all of its output is in $log" >&2
by_hand
