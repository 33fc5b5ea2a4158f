#!/bin/bash
# Servers for cases in the lab's kernel: servers.sh DIR tang PORT | tpm PORT | http PORT FOLDER [ADDRESS] | tftp 69 FOLDER | vsock PORT FOLDER
# They run until the case is over: their numbers are in DIR/pids. What a case must know of them goes to DIR/words.
set -euo pipefail

dir=$1 kind=$2 port=$3
mkdir -p "$dir/words"

# Nothing of it may keep a pipe of the lab open.
serve() {
    setsid "$@" </dev/null >"$dir/server-$port.log" 2>&1 &
    echo "$!" >> "$dir/pids"
}

answers() {
    for _ in $(seq 100); do
        if "$@" > /dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "nothing answers on port $port" >&2
    cat "$dir/server-$port.log" >&2
    exit 1
}

case $kind in
    tang)
        # Words: thp-PORT (thumbprint), adv-PORT (the advertisement as text inside a JSON string).
        keys=$dir/tang-$port
        mkdir -p "$keys"
        # A server that is started again keeps its keys.
        [[ -e $keys/sig.jwk ]] || /usr/libexec/tangd-keygen "$keys" sig exc > /dev/null
        serve socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr,fork" "EXEC:/usr/libexec/tangd $keys"
        answers curl -sf "http://127.0.0.1:$port/adv"
        jose jwk thp -i "$keys/sig.jwk" > "$dir/words/thp-$port"
        curl -sf "http://127.0.0.1:$port/adv" | sed 's/"/\\"/g' > "$dir/words/adv-$port"
        ;;
    tpm)
        mkdir -p "$dir/tpm"
        serve swtpm socket --tpm2 --tpmstate "dir=$dir/tpm" --flags not-need-init,startup-clear \
            --server "type=tcp,port=$port" --ctrl "type=tcp,port=$((port + 1))"
        answers env "TPM2TOOLS_TCTI=swtpm:host=127.0.0.1,port=$port" tpm2_getrandom 1
        ;;
    http)
        serve busybox httpd -f -p "${5:-127.0.0.1}:$port" -h "$4"
        answers curl -s "http://${5:-127.0.0.1}:$port/"
        ;;
    vsock)
        # Where no hypervisor is, the address of the host is the kernel's own.
        modprobe --dirname /run/modules vsock_loopback
        serve "$(dirname "$0")/vsock.py" "$port" "$4"
        answers test -e "$4/ready"
        ;;
    tftp)
        # It knows no other port than 69.
        serve dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --user=root --pid-file= --bind-interfaces \
            --listen-address=127.0.0.1 --enable-tftp "--tftp-root=$4"
        answers grep -q ' 0100007F:0045 ' /proc/net/udp
        ;;
esac
