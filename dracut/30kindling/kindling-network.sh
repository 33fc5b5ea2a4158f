#!/bin/sh
# Brings up the network of the initramfs for a first boot: kindling-network up|down
#
# Uses the network manager in the initramfs: NetworkManager, or else systemd-networkd. Settings from the kernel command
# line (ip=, nameserver=, ...) or from files in the initramfs are used; without any, every wired interface uses DHCP and
# IPv6 router advertisements.
set -u

limit=120
state=/run/kindling/network

# The kernel command line, which may have several lines in a container or a test. From here to the end of `unquote`,
# kindling-generator.sh and kindling-network.sh are identical, so that neither needs another file.
cmdline=
while read -r line || [ -n "$line" ]; do
    cmdline="$cmdline $line"
done </proc/cmdline || :

# argument NAME: sets `found` to the value of NAME on the kernel command line. The last one counts; the value of an
# argument without `=` is its name. As in the kernel, blanks in double quotes belong to an argument, and the quotes
# around an argument or its value do not.
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

# unquote TEXT: sets `unquoted` to TEXT without a leading quote and, only after that, a trailing one.
unquote() {
    unquoted=${1#\"}
    if [ "$unquoted" != "$1" ]; then
        unquoted=${unquoted%\"}
    fi
}

# setting NAME: prints the value of NAME on the kernel command line, if it has one after `=`.
setting() {
    set -f
    argument "$1"
    set +f
    [ "$found" = "$1" ] || echo "$found"
}

say() {
    echo "network: $*"
}

# line LABEL TEXT: prints a line of the screen, truncated to 80 columns.
line() {
    printf '  %-13s %.63s\n' "$1" "$2"
}

# fail CAUSE: writes the screen that is shown before the emergency shell, in the same form as the stages, and exits.
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

# is_interface PATH: false for other entries of /sys/class/net, such as the file bonding_masters, and for an unmatched
# pattern.
is_interface() {
    [ -e "$1/flags" ]
}

# interfaces: prints all interfaces except loopback, each with its state.
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

# name_servers: writes the name servers of networkd to /etc/resolv.conf, or links it to that of systemd-resolved.
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

# has_addresses FILE...: true if one of these files configures addresses of an interface. The one that systemd generates
# from nameserver= alone does not, and applies to every interface.
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

# The machine is identified to the DHCP server by its MAC address, so that the real system gets the same lease with any
# DHCP client.
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
    # With a link-local address, the state would be "degraded", which is enough by default.
    /usr/lib/systemd/systemd-networkd-wait-online --any --operational-state=routable --timeout="$limit" ||
        fail "no interface got an address within $limit s"
    # Name servers may arrive a moment after the first address, e.g. if the router is faster than DHCP. Having none is
    # not a failure: the URL may contain an address.
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

# uptime_s: prints whole seconds since the start of the kernel.
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
    # With a slow carrier or an aggregated link, startup may complete before there is any connection, and nm-online -s
    # only waits for startup. So wait for a connection during the rest of the time.
    began=$(uptime_s)
    nm-online -s -q -t "$limit"
    left=$((limit + began - $(uptime_s)))
    [ "$left" -gt 0 ] || left=1
    nm-online -q -t "$left" || fail "no interface got an address within $limit s"
}

# was_up PATH: tests bit 0 of the flags, a hexadecimal number. An interface without such a number, which may be about to
# disappear, need not be set down later.
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
        # With a leading zero, the shell would treat it as octal.
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

# Restores the interfaces for the real system to their state before, unless the root is on the network or the kernel
# command line requests that it stays up.
down() {
    if [ "$(setting rd.neednet)" = 1 ] || [ -n "$(setting netroot)" ] || [ ! -e "$state/was-down" ]; then
        return 0
    fi
    case $(cat "$state/used") in
        NetworkManager) units="nm-initrd.service" ;;
        *) units="systemd-networkd.socket systemd-networkd.service" ;;
    esac
    # Do not wait in systemctl: the socket is ordered before this unit, and would wait for it.
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
