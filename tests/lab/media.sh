#!/bin/bash
# Media with configs for cases in the lab's kernel: media.sh iso|vfat|udf|damaged|folder DEVICE LABEL [PATH=CONTENT...]
# A damaged one has its label and cannot be mounted; a folder is for servers. CONTENT is config:NAME, a config that writes NAME to a file, or text:TEXT with the escapes of printf.
set -euo pipefail

format=$1 device=$2 label=$3
shift 3

# The kernel finds no module by itself here.
load() {
    modprobe --dirname /run/modules --all "$@"
}

# contents FOLDER PATH=CONTENT...
contents() {
    local folder=$1 entry content
    shift
    for entry; do
        content=${entry#*=}
        mkdir -p "$(dirname "$folder/${entry%%=*}")"
        case $content in
            config:*)
                printf '{"ignition":{"version":"3.4.0"},"storage":{"files":[{"path":"/from","contents":{"source":"data:,%s"}}]}}\n' \
                    "${content#config:}"
                ;;
            text:*) printf '%b' "${content#text:}" ;;
            *)
                echo "media.sh: neither config: nor text: $content" >&2
                exit 64
                ;;
        esac > "$folder/${entry%%=*}"
    done
}

# Copies the files to the file system that was made on the device.
fill() {
    mkdir "$work/mount"
    mount -t "$format" "$device" "$work/mount"
    contents "$work/mount" "$@"
    umount "$work/mount"
}

work=$(mktemp -d)
case $format in
    iso)
        load isofs
        mkdir "$work/files"
        contents "$work/files" "$@"
        # Long names are had with Rock Ridge, as every maker of such media does it.
        xorrisofs -quiet -R -V "$label" -o "$work/iso" "$work/files" 2> "$work/said" || { cat "$work/said" >&2; exit 1; }
        # udev looks again when the device is closed.
        dd if="$work/iso" of="$device" bs=64k conv=fsync status=none
        ;;
    vfat)
        mkfs.vfat -n "$label" "$device" > "$work/said" || { cat "$work/said" >&2; exit 1; }
        fill "$@"
        ;;
    udf)
        load udf
        mkudffs --label="$label" "$device" > "$work/said" || { cat "$work/said" >&2; exit 1; }
        fill "$@"
        ;;
    damaged)
        load isofs
        xorrisofs -quiet -R -V "$label" -o "$work/iso" "$work" 2> "$work/said" || { cat "$work/said" >&2; exit 1; }
        # The volume descriptor, and nothing behind it.
        dd if="$work/iso" of="$device" bs=2048 count=18 conv=fsync status=none
        ;;
    folder) contents "$device" "$@" ;;
    *)
        echo "media.sh: no format $format" >&2
        exit 64
        ;;
esac
rm -r "$work"
