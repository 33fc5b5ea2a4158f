#!/bin/bash
# A drive for discs, with a disc in it: disc.sh iso|udf MILLISECONDS [PATH=CONTENT...], with contents as of media.sh.
# The disc is ready so long after the drive was found. Everything goes with: disc.sh out
# The kernel's SCSI device for tests shows one memory first as a disk, to be written, and then as a CD-ROM.
set -euo pipefail

driver=/sys/bus/pseudo/drivers/scsi_debug

# nodes KIND: block devices of the drive, by the kind of their names.
nodes() {
    local path
    for path in "$driver"/adapter*/host*/target*/*/block/"$1"*; do
        if [[ -e $path ]]; then echo "${path##*/}"; fi
    done
}

if [[ $1 == out ]]; then
    modprobe --dirname /run/modules --remove scsi_debug
    exit
fi

format=$1 ready=$2
shift 2
modprobe --dirname /run/modules --all scsi_mod sd_mod sr_mod
modprobe --dirname /run/modules scsi_debug ptype=0 sector_size=2048 dev_size_mb=4 delay=0 \
    "tur_ms_to_ready=$ready"
# Also the disk is not ready at once.
for _ in $(seq 300); do
    disk=$(nodes sd)
    if [[ -n $disk ]]; then break; fi
    sleep 0.1
done
udevadm settle
"$(dirname "$0")/media.sh" "$format" "/dev/$disk" disc "$@"
echo 1 > "/sys/block/$disk/device/delete"
echo 5 > "$driver/ptype"
echo 1 > "$driver/add_host"
udevadm settle
test -b "/dev/$(nodes sr)"
