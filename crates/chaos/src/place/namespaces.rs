//! Network namespaces by `ip`. One per server, and a hub with two bridges: one joins the servers'
//! peer links, the other their client links and the clients. Cutting the first leaves the second.

use std::process::Command;

use anyhow::{Context, bail};

use super::Addresses;

/// What all our namespaces' names begin with; the supervisor's pid follows.
const NAME: &str = "hiraeth-chaos-";
const CLIENTS: &str = "10.77.0";
const PEERS: &str = "10.77.1";

pub(super) fn prefix() -> String {
    format!("{NAME}{}", std::process::id())
}

pub(super) fn name(prefix: &str, at: usize) -> String {
    format!("{prefix}-{}", at + 1)
}

pub(super) fn hub(prefix: &str) -> String {
    format!("{prefix}-hub")
}

pub(super) fn addresses(at: usize) -> Addresses {
    let host = at + 1;
    Addresses {
        client: format!("{CLIENTS}.{host}:2379"),
        peer: format!("{PEERS}.{host}:2380"),
        http: format!("{CLIENTS}.{host}:8500"),
    }
}

/// The hub's address on the bridge of the peers' links.
pub(super) fn hub_peer_host() -> String {
    format!("{PEERS}.254")
}

/// `ip` with these words, parted by spaces.
fn ip(words: &str) -> anyhow::Result<String> {
    let output = Command::new("ip").args(words.split_whitespace()).output();
    let output = output.context("ip (iproute2) cannot be run")?;
    if !output.status.success() {
        bail!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether namespaces, bridges and pairs of interfaces can be made here.
pub(super) fn possible() -> anyhow::Result<()> {
    let probe = format!("{NAME}{}-probe", std::process::id());
    ip(&format!("netns add {probe}"))?;
    let tried = ip(&format!("-n {probe} link add bridge0 type bridge"))
        .and_then(|_| ip(&format!("-n {probe} link add one type veth peer name two")));
    ip(&format!("netns del {probe}"))?;
    tried.map(drop)
}

/// Makes the hub and `count` namespaces.
pub(super) fn make(prefix: &str, count: usize) -> anyhow::Result<()> {
    let hub = hub(prefix);
    ip(&format!("netns add {hub}"))?;
    ip(&format!("-n {hub} link set lo up"))?;
    for bridge in ["peers", "clients"] {
        ip(&format!("-n {hub} link add {bridge} type bridge forward_delay 0"))?;
        ip(&format!("-n {hub} link set {bridge} up"))?;
    }
    ip(&format!("-n {hub} address add {CLIENTS}.254/24 dev clients"))?;
    // Strangers talk to the servers' peer ports from here.
    ip(&format!("-n {hub} address add {PEERS}.254/24 dev peers"))?;
    for at in 0..count {
        let (space, host) = (name(prefix, at), at + 1);
        ip(&format!("netns add {space}"))?;
        ip(&format!("-n {space} link set lo up"))?;
        for (kind, network) in [("peers", PEERS), ("clients", CLIENTS)] {
            let plug = format!("{kind}{host}");
            ip(&format!("-n {hub} link add {plug} type veth peer name {kind} netns {space}"))?;
            ip(&format!("-n {hub} link set {plug} master {kind} up"))?;
            ip(&format!("-n {space} address add {network}.{host}/24 dev {kind}"))?;
            ip(&format!("-n {space} link set {kind} up"))?;
        }
    }
    Ok(())
}

/// Ends every process in the namespaces with this prefix, and removes them.
pub(super) fn remove(prefix: &str) {
    let Ok(all) = ip("netns list") else { return };
    let ours = format!("{prefix}-");
    let names = all.lines().filter_map(|line| line.split_whitespace().next());
    for space in names.filter(|space| space.starts_with(&ours)) {
        for pid in ip(&format!("netns pids {space}")).unwrap_or_default().lines() {
            if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        if let Err(error) = ip(&format!("netns del {space}")) {
            eprintln!("chaos: {space} stays: {error:#}");
        }
    }
}

/// Removes what supervisors left that could not clean up.
pub(super) fn remove_leftovers() {
    let Ok(all) = ip("netns list") else { return };
    for line in all.lines() {
        let owner = line.strip_prefix(NAME).and_then(|rest| rest.split('-').next());
        if let Some(owner) = owner
            && owner.parse::<u32>().is_ok()
            && !std::path::Path::new("/proc").join(owner).exists()
        {
            remove(&format!("{NAME}{owner}"));
        }
    }
}

/// Adds or deletes the route by which what `from` sends to `to` goes nowhere.
pub(super) fn blackhole(prefix: &str, from: usize, to: usize, verb: &str) -> anyhow::Result<()> {
    let (space, host) = (name(prefix, from), to + 1);
    ip(&format!("-n {space} route {verb} blackhole {PEERS}.{host}/32")).map(drop)
}

pub(super) fn link(prefix: &str, at: usize, is_up: bool) -> anyhow::Result<()> {
    // The plug in the hub, so that the server's own interface keeps its address and routes.
    let state = if is_up { "up" } else { "down" };
    ip(&format!("-n {} link set peers{} {state}", hub(prefix), at + 1)).map(drop)
}
