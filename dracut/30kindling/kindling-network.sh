#!/bin/sh
# Brings up the network of the initramfs for a first boot: kindling-network up|down
#
# It uses what dracut has put into the initramfs: NetworkManager, or else systemd-networkd. Settings from the
# kernel command line (ip=, nameserver=, ...) or from files in the initramfs are used; without any, every wired
# interface asks for an address by DHCP and IPv6 router advertisements.
set -u

limit=120
state=/run/kindling/network

# The kernel command line, which may have several lines where a container or a test makes it. From here to the end of
# `unquote`, kindling-generator.sh and kindling-network.sh are the same, so that each of them needs no other file.
cmdline=
while read -r line || [ -n "$line" ]; do
    cmdline="$cmdline $line"
done </proc/cmdline || :

# argument NAME: sets `found` to what the kernel command line gives NAME, the last one counting; a bare word is its own value.
# As in the kernel, blanks inside double quotes belong to an argument, and the quotes around an argument or its value do
# not.
argument() {
    found=
    whole=
    in_quotes=
    # shellcheck disable=SC2086 # one word per part; globbing is off
    for part in $cmdline; do
        whole=$whole${in_quotes:+ }$part
        while [ "$part" != "${part#*\"}" ]; do
            part=${part#*\"}
            if [ -n "$in_quotes" ]; then in_quotes=; else in_quotes=yes; fi
        done
        if [ -z "$in_quotes" ]; then
            take "$1"
            whole=
        fi
    done
    take "$1"
}

# take NAME: sets `found` if the argument in `whole` is the one called NAME.
take() {
    unquote "$whole"
    if [ "${unquoted%%=*}" = "$1" ]; then
        unquote "${unquoted#*=}"
        found=$unquoted
    fi
}

# unquote TEXT: only a text that begins with a quote loses the one at its end.
unquote() {
    unquoted=${1#\"}
    if [ "$unquoted" != "$1" ]; then
        unquoted=${unquoted%\"}
    fi
}

# setting NAME: what the kernel command line gives NAME behind `=`.
setting() {
    set -f
    argument "$1"
    set +f
    [ "$found" = "$1" ] || echo "$found"
}

say() {
    echo "network: $*"
}

# line LABEL TEXT: a line of the screen; it does not wrap on a console of 80 columns.
line() {
    printf '  %-13s %.63s\n' "$1" "$2"
}

# fail CAUSE: leaves the screen that is shown before the emergency shell, in the form of the stages'.
fail() {
    mkdir -p /run/kindling
    {
        echo "kindling: FIRST-BOOT PROVISIONING FAILED"
        line stage "network"
        line operation "bring up the network of the initramfs"
        line cause "$1"
        line interfaces "$(interfaces)"
        line 'needed by' "a config, or a file it refers to, on the network"
        line 'to do' "check cable and DHCP server, or set an address with ip= on the"
        line '' "kernel command line, then reboot"
        line see "journalctl -b --no-pager -u kindling-network.service"
        line 'next boot' "tries again from the start"
    } >/run/kindling/failure.txt
    say "$1"
    exit 1
}

# is_interface PATH: false for other entries of /sys/class/net, such as the file bonding_masters, and for a pattern that
# nothing matches.
is_interface() {
    [ -e "$1/flags" ]
}

# interfaces: all but the loopback, each with its state.
interfaces() {
    all=
    for path in /sys/class/net/*; do
        is_interface "$path" || continue
        name=${path##*/}
        [ "$name" != lo ] || continue
        operstate=unknown
        read -r operstate <"$path/operstate"
        all="$all${all:+, }$name ($operstate)"
    done
    echo "${all:-none}"
}

# name_servers: fills /etc/resolv.conf from what networkd has learnt, unless systemd-resolved keeps it.
name_servers() {
    if systemctl start systemd-resolved.service 2>/dev/null; then
        ln -sf ../run/systemd/resolve/resolv.conf /etc/resolv.conf
        return 0
    fi
    servers=
    domains=
    while IFS='=' read -r key value; do
        case $key in
            DNS) servers=$value ;;
            DOMAINS) domains=$value ;;
        esac
    done </run/systemd/netif/state
    [ -n "$servers" ] || return 1
    {
        for server in $servers; do
            echo "nameserver $server"
        done
        [ -z "$domains" ] || echo "search $domains"
    } >/etc/resolv.conf.new
    mv -f /etc/resolv.conf.new /etc/resolv.conf
    say "name servers: $servers"
}

has_files() {
    for path; do
        [ -e "$path" ] && return 0
    done
    return 1
}

# has_addresses FILE...: true if one of these files says how an interface gets its addresses. The one that systemd makes of
# nameserver= alone does not, and is for every interface.
has_addresses() {
    for path; do
        [ -e "$path" ] || continue
        [ "${path##*/}" = 91-default.network ] || return 0
        while read -r entry; do
            case $entry in
                DHCP=* | Address=*) return 0 ;;
            esac
        done <"$path"
    done
    return 1
}

# The MAC address identifies the machine to the DHCP server, so that the real system gets the same lease whatever client it
# has.
dhcp_settings() {
    cat <<-END
		[Network]
		DHCP=yes
		IPv6AcceptRA=yes

		[DHCPv4]
		ClientIdentifier=mac
		UseHostname=no
	END
}

networkd_up() {
    systemctl start systemd-network-generator.service 2>/dev/null
    if ! has_addresses /etc/systemd/network/*.network /run/systemd/network/*.network; then
        default=/run/systemd/network/91-default.network
        if [ -e "$default" ]; then
            mkdir -p "$default.d"
            dhcp_settings >"$default.d/50-kindling.conf"
        else
            mkdir -p /run/systemd/network
            { printf '[Match]\nType=ether\n\n'; dhcp_settings; } >/run/systemd/network/99-kindling-dhcp.network
        fi
        say "no addresses given: every wired interface uses DHCP"
    fi
    systemctl start systemd-networkd.service || fail "systemd-networkd failed to start"
    # "degraded", the default, would be reached with a link-local address.
    /usr/lib/systemd/systemd-networkd-wait-online --any --operational-state=routable --timeout="$limit" ||
        fail "no interface got an address within $limit s"
    # Name servers may come a moment after the first address, e.g. when the router is faster than DHCP. To have
    # none is not a failure: the URL may name an address.
    tries=10
    until name_servers; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            say "no name servers are known"
            break
        fi
        sleep 0.5
    done
}

# uptime_s: whole seconds since the kernel started.
uptime_s() {
    read -r up idle </proc/uptime
    : "$idle"
    echo "${up%.*}"
}

networkmanager_up() {
    for generator in /usr/libexec/nm-initrd-generator /usr/lib/NetworkManager/nm-initrd-generator \
        /usr/lib/nm-initrd-generator; do
        [ -x "$generator" ] && break
    done
    if ! has_files /etc/NetworkManager/system-connections/* /run/NetworkManager/system-connections/*; then
        set -f
        # shellcheck disable=SC2086 # one word per argument
        "$generator" -- $cmdline rd.neednet=1 || fail "nm-initrd-generator failed"
        set +f
    fi
    mkdir -p /run/NetworkManager/initrd
    : >/run/NetworkManager/initrd/neednet
    systemctl start nm-initrd.service || fail "NetworkManager failed to start"
    # Starting may end before any connection is there, with a slow carrier or an aggregated link, and nm-online is content
    # then. So a connection gets what is left of the time.
    began=$(uptime_s)
    nm-online -s -q -t "$limit"
    left=$((limit + began - $(uptime_s)))
    [ "$left" -gt 0 ] || left=1
    nm-online -q -t "$left" || fail "no interface got an address within $limit s"
}

# was_up PATH: bit 0 of the flags, a hexadecimal number. An interface without such a number, which may be going away just
# now, is nothing to take down later.
was_up() {
    flags=
    read -r flags <"$1/flags" || :
    case $flags in
        0x*[02468aAcCeE]) return 1 ;;
    esac
}

up() {
    timeout=$(setting kindling.network.timeout)
    case $timeout in
        # A zero in front would make the shell take it for octal.
        '' | 0* | *[!0-9]*) ;;
        *) limit=$timeout ;;
    esac
    mkdir -p "$state"
    for path in /sys/class/net/*; do
        is_interface "$path" || continue
        was_up "$path" || echo "${path##*/}" >>"$state/was-down"
    done
    if [ -e /usr/lib/systemd/system/nm-initrd.service ]; then
        echo NetworkManager >"$state/used"
        networkmanager_up
    elif [ -x /usr/lib/systemd/systemd-networkd ]; then
        echo systemd-networkd >"$state/used"
        networkd_up
    else
        fail "there is neither systemd-networkd nor NetworkManager in this initramfs"
    fi
    say "up, by $(cat "$state/used"): $(interfaces)"
}

# Leaves the interfaces to the real system as they would be had the initramfs not used them, unless the root
# itself, or somebody's wish on the command line, needs the network to stay.
down() {
    if [ "$(setting rd.neednet)" = 1 ] || [ -n "$(setting netroot)" ] || [ ! -e "$state/was-down" ]; then
        return 0
    fi
    case $(cat "$state/used") in
        NetworkManager) units="nm-initrd.service" ;;
        *) units="systemd-networkd.socket systemd-networkd.service" ;;
    esac
    # Not waited for by systemctl: the socket is ordered before this unit, and would wait for it.
    # shellcheck disable=SC2086 # one word per unit
    systemctl stop --no-block $units
    tries=20
    while [ "$tries" -gt 0 ] && systemctl --quiet is-active "${units##* }"; do
        tries=$((tries - 1))
        sleep 0.2
    done
    while read -r name; do
        [ -e "/sys/class/net/$name" ] || continue
        ip address flush dev "$name"
        ip link set dev "$name" down
    done <"$state/was-down"
    rm -f /run/systemd/network/99-kindling-dhcp.network
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *)
        echo "usage: kindling-network up|down" >&2
        exit 64
        ;;
esac
