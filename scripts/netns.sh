# shellcheck shell=bash
# Two network namespaces with a cable between them, with names of this process, so that many may run at once. Sourced after common.sh, never run.

ns_a=psfs-a-$$ ns_b=psfs-b-$$
cable_a=va$$ cable_b=vb$$

# namespaces RATE: 10.77.0.1 in $ns_a and 10.77.0.2 in $ns_b. What goes from a to b is held to RATE.
namespaces() {
    [[ $(id -u) == 0 ]] || fail "network namespaces need root: run it with sudo"
    ip netns add "$ns_a"
    ip netns add "$ns_b"
    ip link add "$cable_a" netns "$ns_a" type veth peer name "$cable_b" netns "$ns_b"
    ip -n "$ns_a" addr add 10.77.0.1/24 dev "$cable_a"
    ip -n "$ns_b" addr add 10.77.0.2/24 dev "$cable_b"
    ip -n "$ns_a" link set lo up
    ip -n "$ns_b" link set lo up
    ip -n "$ns_a" link set "$cable_a" up
    ip -n "$ns_b" link set "$cable_b" up
    tc -n "$ns_a" qdisc add dev "$cable_a" root tbf rate "$1" burst 256kb latency 50ms
}

# no_namespaces: takes away what is there of them.
no_namespaces() {
    ip netns del "$ns_a" 2>/dev/null || true
    ip netns del "$ns_b" 2>/dev/null || true
}

# share_in_a WORK: shares WORK/file in $ns_a; its process is $share_pid, its ticket in WORK/ticket.
share_in_a() {
    # shellcheck disable=SC2154
    ip netns exec "$ns_a" "$target/release/psfs" share "$1/file" --no-mdns --listen 10.77.0.1:4077 >"$1/ticket" &
    share_pid=$!
    until grep -q '^psfs1' "$1/ticket"; do
        kill -0 "$share_pid" || fail "psfs share ended"
        read -rt 0.2 <> <(:) || true
    done
}
