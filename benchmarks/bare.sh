#!/bin/sh
# All that a graded run of one guest has the hosts do, typed by hand as it were, and nothing seen of it: the guest is
# started, moved cold there and back, paused and moved, moved live there and back, and shut down.
# Usage: bare.sh KEY KNOWN_HOSTS HOME PEER GUEST NAME CONFIG (addresses of the hosts and the guest, its name and config)
set -eu
key=$1 known=$2 home=$3 peer=$4 guest=$5 name=$6 config=$7
sockets=$(mktemp -d)
trap 'rm -rf "$sockets"' EXIT

reach() { ssh -F none -o BatchMode=yes -o UserKnownHostsFile="$known" -i "$key" "$@"; }
on() { machine=$1 && shift && reach -o ControlMaster=auto -o ControlPersist=5 -o ControlPath="$sockets/%h" "root@$machine" "$@"; }
boots() { until reach -o ConnectTimeout=2 "root@$guest" true 2>/dev/null; do sleep 0.5; done; }
create() { on "$1" xl create "$config" && boots; }
leave() { on "$1" xl shutdown -w "$name"; }
move() { on "$1" xl migrate "$name" "$2"; }

create "$home"
leave "$home" && create "$peer"
leave "$peer" && create "$home"
on "$home" xl pause "$name"
if move "$home" "$peer"; then
    on "$peer" xl unpause "$name" && move "$peer" "$home"
else # as Xen does to a paused PV guest
    on "$home" xl unpause "$name"
fi
move "$home" "$peer" && move "$peer" "$home"
leave "$home"
