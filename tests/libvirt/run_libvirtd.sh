#!/bin/sh
# run_libvirtd.sh DIR CONFIGURATION: a libvirtd of its own, for tests. Becomes libvirtd, so that the caller can stop and kill it by its pid.
# All that it writes is below DIR; its socket is DIR/socket/libvirt-sock. Needs root, for a mount namespace that nobody else sees.
set -eu
directory=$1 configuration=$2
mkdir -p "$directory/socket"
for place in run var/lib/libvirt var/cache/libvirt var/log/libvirt etc/libvirt; do mkdir -p "$directory/$place"; done
mkdir -p "$directory/run/lock" "$directory/etc/libvirt/qemu"
cp "$configuration" "$directory/etc/libvirt/qemu.conf"
cat > "$directory/libvirtd.conf" <<END
unix_sock_dir = "$directory/socket"
unix_sock_group = "root"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
auth_unix_ro = "none"
log_outputs = "3:file:$directory/libvirtd.log"
END
export directory
exec unshare --mount --propagation private sh -euc '
  for place in run var/lib/libvirt var/cache/libvirt var/log/libvirt etc/libvirt; do
    mkdir -p "/$place"
    mount --bind "$directory/$place" "/$place"
  done
  # That of the network namespace that we are in; refused where it is there already.
  mount -t sysfs sysfs /sys 2>/dev/null || :
  # The filters that Debian installs, which were below what is now hidden.
  cp -r /usr/share/libvirt/nwfilter /etc/libvirt/ 2>/dev/null || :
  # With udev it hears of devices that come and go. Without a rule udev changes nothing of the host; it ends with libvirtd.
  if [ -x /lib/systemd/systemd-udevd ]; then
    for rules in /lib/udev/rules.d /etc/udev/rules.d; do mount -t tmpfs none "$rules"; done
    setpriv --pdeathsig KILL /lib/systemd/systemd-udevd >/dev/null 2>&1 &
    while [ ! -S /run/udev/control ] && kill -0 $!; do sleep 0.05; done
  fi
  exec libvirtd -f "$directory/libvirtd.conf" -p "$directory/libvirtd.pid"'
