#!/bin/bash
# dracut module: first-boot provisioning by kindling. dracut/README.md describes each file.
# shellcheck disable=SC2154 # moddir, initdir and the directories of systemd are set by dracut

# The module changes how a machine boots, so it is only included on request of a configuration or another module.
check() {
    return 255
}

# dracut omits this module if a dependency cannot be installed. So optional ones are only listed if they are present;
# without one, a config that needs it fails with a message about what is missing.
depends() {
    local modules="systemd systemd-initrd dracut-systemd udev-rules kernel-modules rootfs-block qemu"
    find_binary dmsetup >/dev/null && modules+=" dm"
    find_binary cryptsetup >/dev/null && modules+=" crypt"
    find_binary mdadm >/dev/null && modules+=" mdraid"
    case $(network_handler) in
        # The module "network" writes its settings.
        network-manager) modules+=" network network-manager" ;;
        systemd-networkd) modules+=" kernel-network-modules systemd-networkd" ;;
        *) modules+=" kernel-network-modules" ;;
    esac
    echo "$modules"
}

# network_handler: prints which of the two network managers to include. A choice made elsewhere is kept.
network_handler() {
    local root=${dracutsysrootdir-} path
    for path in systemd-networkd network-manager; do
        if dracut_module_included "$path"; then
            echo "$path"
            return
        fi
    done
    for path in /usr/libexec /usr/lib /usr/lib/NetworkManager; do
        if [[ -x $root$path/nm-initrd-generator ]]; then
            echo network-manager
            return
        fi
    done
    if [[ -x $root/usr/lib/systemd/systemd-networkd ]] && find_binary networkctl >/dev/null; then
        echo systemd-networkd
    fi
}

# For any machine that may boot the image, whatever machine dracut runs on.
installkernel() {
    hostonly='' instmods \
        virtio_blk virtio_scsi virtio_net virtio_pci virtio_console virtio_rng qemu_fw_cfg \
        ext4 xfs btrfs vfat isofs udf virtiofs nls_cp437 nls_iso8859-1 nls_ascii nls_utf8 \
        dm_mod dm_crypt raid0 raid1 raid10 raid456 linear md_mod loop \
        sr_mod cdrom sd_mod ata_piix ata_generic ahci hv_storvsc \
        hv_utils vboxguest vsock vmw_vsock_virtio_transport vmw_vsock_virtio_transport_common
    case ${DRACUT_ARCH:-$(uname -m)} in
        aarch64) hostonly='' instmods mlxbf_bootctl ;;
        s390x) hostonly='' instmods zcrypt_cex4 pkey_cca vmur ;;
    esac
    return 0
}

# program: prints the path of the binary. A package installs it in the module's directory, under the name of the binary
# it replaces or its own; "make install" installs it in /usr/bin.
program() {
    local path
    for path in "$moddir/ignition" "$moddir/kindling" "${dracutsysrootdir-}/usr/bin/kindling"; do
        if [[ -x $path ]]; then
            # dracut prepends the directory of a foreign root itself, but its own directories include it already.
            [[ $path == "$moddir"/* ]] || path=/usr/bin/kindling
            echo "$path"
            return
        fi
    done
}

stage() {
    local unit=$1 target=${2:-ignition-complete.target}
    inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
    mkdir -p "$initdir$systemdsystemunitdir/$target.requires"
    ln -sfn "../$unit" "$initdir$systemdsystemunitdir/$target.requires/$unit"
}

# trusted_keys: the keys that configs must be signed with (docs/security.md). An image without one of them would take
# unsigned configs, so the build fails if a key cannot be copied.
trusted_keys() {
    local root=${dracutsysrootdir-} keys=/etc/kindling/trusted-keys.d place file
    for place in /etc/kindling "$keys"; do
        if [[ -L $root$place && ! -e $root$place ]]; then
            dfatal "kindling: $place is a link that leads nowhere, so there are no trusted keys to copy"
            exit 1
        fi
    done
    [[ -e $root$keys ]] || return 0
    if [[ ! -d $root$keys || ! -r $root$keys ]]; then
        dfatal "kindling: $keys is not a directory that can be read"
        exit 1
    fi
    for file in "$root$keys"/*; do
        [[ -e $file || -L $file ]] || continue # the pattern itself
        file=${file#"$root"}
        if [[ ! -f $root$file ]]; then
            dfatal "kindling: $file is not a file with keys; keys in subdirectories of $keys are not read"
            exit 1
        fi
        inst_simple "$file"
        if [[ ! -s $initdir$file ]]; then
            dfatal "kindling: the trusted key $file cannot be copied"
            exit 1
        fi
    done
}

install() {
    local binary file service

    # Both have units with the same names for the same targets, and would be mixed up.
    if dracut_module_included ignition; then
        dfatal "kindling: the module 'ignition' is included, too; add omit_dracutmodules+=\" ignition \""
        exit 1
    fi
    binary=$(program)
    if [[ -z $binary ]]; then
        dfatal "kindling: no binary: neither $moddir/ignition nor $moddir/kindling nor /usr/bin/kindling"
        exit 1
    fi
    inst_binary "$binary" /usr/bin/ignition
    # For "kindling report" in an emergency shell.
    ln -sfn ignition "$initdir/usr/bin/kindling"

    inst_multiple basename lsblk mount umount mountpoint udevadm systemctl journalctl \
        cat cut dd ip ln mkdir mv rm sed sleep timeout touch
    # Each is for a feature of configs, which does not work if the distribution lacks the program.
    inst_multiple -o \
        mkfs.btrfs mkfs.ext4 mkfs.fat mkfs.xfs mkswap partx sgdisk wipefs \
        mdadm cryptsetup dmsetup setfiles systemd-detect-virt \
        clevis clevis-decrypt clevis-decrypt-sss clevis-decrypt-tang clevis-decrypt-tpm2 \
        clevis-encrypt-sss clevis-encrypt-tang clevis-encrypt-tpm2 clevis-luks-bind \
        clevis-luks-common-functions clevis-luks-unlock curl grep jose mktemp pwmake sort tail tr \
        tpm2_create tpm2_createpolicy tpm2_createprimary tpm2_flushcontext tpm2_load tpm2_pcrread tpm2_unseal
    # Loaded dynamically by tpm2-tools.
    inst_libdir_file "libtss2-tcti-device.so*"
    case ${DRACUT_ARCH:-$(uname -m)} in
        s390x)
            inst_multiple -o chccwdev cio_ignore vmur zkey zkey-cryptsetup
            [[ -e ${dracutsysrootdir-}/etc/luks/cex.key ]] && inst_simple /etc/luks/cex.key
            ;;
    esac
    # The distribution's defaults for mkfs.ext4.
    inst_multiple -o /etc/mke2fs.conf
    trusted_keys
    # CA certificates for HTTPS, wherever the distribution has them.
    inst_multiple -o /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
        /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem

    inst_script "$moddir/kindling-generator.sh" "$systemdutildir/system-generators/kindling-generator"
    inst_script "$moddir/kindling-network.sh" /usr/libexec/kindling-network
    inst_script "$moddir/kindling-emergency.sh" /usr/libexec/kindling-emergency
    # The distribution may have installed its own helper.
    [[ -e $initdir/usr/sbin/ignition-kargs-helper ]] ||
        inst_script "$moddir/ignition-kargs-helper.sh" /usr/sbin/ignition-kargs-helper
    inst_simple "$moddir/99-xx-ignition-systemd-cryptsetup.rules" \
        /usr/lib/udev/rules.d/99-xx-ignition-systemd-cryptsetup.rules
    inst_simple "$moddir/ignition-luks.conf" /etc/security/pwquality.conf.d/ignition-luks.conf
    # Config drives are found by label; this rule detects the labels of CDs.
    inst_rules 60-cdrom_id.rules

    for file in complete subsequent diskful diskful-subsequent; do
        inst_simple "$moddir/ignition-$file.target" "$systemdsystemunitdir/ignition-$file.target"
    done
    for service in fetch-offline fetch kargs disks mount files; do
        stage "ignition-$service.service"
    done
    stage ignition-remount-sysroot.service ignition-diskful.target
    stage kindling-network.service
    stage kindling-complete.service

    inst_simple "$moddir/emergency.conf" "$systemdsystemunitdir/emergency.service.d/50-kindling.conf"
    if dracut_module_included systemd-networkd; then
        for file in service socket; do
            inst_simple "$moddir/networkd-on-demand.conf" \
                "$systemdsystemunitdir/systemd-networkd.$file.d/50-kindling.conf"
        done
    fi
}
