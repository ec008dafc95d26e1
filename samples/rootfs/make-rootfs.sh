#!/bin/sh
# Packs a root file system of busybox alone into FILE (rootfs.tar): Debian's package busybox-static is all it takes.
set -eu
file=${1:-rootfs.tar}
busybox=$(command -v busybox) || { echo "install busybox-static first" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/etc" "$root/tmp" "$root/root"
chmod 755 "$root" # mktemp made it for its owner alone: no other user could run anything in it
chmod 1777 "$root/tmp"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"; done
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
tar -C "$root" -cf "$file" .
