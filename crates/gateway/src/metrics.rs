//! What a gateway tells of itself, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::gateway::Shared;
use crate::members::{Member, Standing};

/// What is counted.
#[derive(Default)]
pub(crate) struct Meters {
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) dns: AtomicU64,
}

/// The whole text.
pub(crate) fn exposition(shared: &Shared) -> String {
    let mut text = String::new();
    let meters = &shared.meters;
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        // A text that grows takes everything.
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    let read = |it: &AtomicU64| it.load(Ordering::Relaxed);
    let connections = read(&meters.connections);
    one("hiraeth_gateway_connections", "gauge", "Connections of clients.", connections);
    let requests = read(&meters.requests);
    one("hiraeth_gateway_requests_total", "counter", "Requests of clients.", requests);
    let refused = read(&meters.refused);
    let help = "Requests that the gateway itself had to refuse.";
    one("hiraeth_gateway_refused_total", "counter", help, refused);
    let dns = read(&meters.dns);
    one("hiraeth_gateway_dns_queries_total", "counter", "Packets of DNS.", dns);
    let (services, subscriptions) = shared.hubs.count();
    let help = "Services of the registry that are followed at members.";
    one("hiraeth_gateway_registry_services", "gauge", help, services as u64);
    let help = "Subscriptions of clients to them.";
    one("hiraeth_gateway_registry_subscriptions", "gauge", help, subscriptions as u64);
    let registry = &shared.hubs.meters;
    let help = "Updates that were told to clients.";
    one("hiraeth_gateway_registry_pushes_total", "counter", help, read(&registry.pushes));
    let help = "Instances that clients beat for.";
    one("hiraeth_gateway_registry_beats_total", "counter", help, read(&registry.beats));
    let help = "Messages with beats that went to members.";
    one("hiraeth_gateway_registry_beat_messages_total", "counter", help, read(&registry.messages));
    let (lines, clients) = shared.lines.count();
    let help = "Streams at members that keep leases alive.";
    one("hiraeth_gateway_lease_streams", "gauge", help, lines as u64);
    let help = "Streams of clients that share them.";
    one("hiraeth_gateway_lease_clients", "gauge", help, clients as u64);
    let help = "Leases that clients renewed.";
    one("hiraeth_gateway_lease_renewals_total", "counter", help, read(&shared.lines.renewals));
    let help = "Blocking queries of clients.";
    one("hiraeth_gateway_queries_total", "counter", help, read(&shared.queries.asked));
    let help = "Blocking queries that went to members for them.";
    one("hiraeth_gateway_queries_sent_total", "counter", help, read(&shared.queries.sent));
    if let Some(bytes) = resident_bytes() {
        let help = "Resident memory size in bytes.";
        one("process_resident_memory_bytes", "gauge", help, bytes);
    }
    of_members(&mut text, shared);
    text.push_str(&tls::exposition());
    text
}

/// As the system tells it; `etcdctl check datascale` wants to know.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

fn of_members(text: &mut String, shared: &Shared) {
    let mut family = |name: &str, kind: &str, help: &str, value: &dyn Fn(&Member) -> u64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        for member in shared.members.iter() {
            let (address, value) = (&member.address, value(member));
            let _ = writeln!(text, "{name}{{member=\"{address}\"}} {value}");
        }
    };
    let help = "Whether the member is reached and knows a leader.";
    family("hiraeth_gateway_member_ready", "gauge", help, &|member| {
        u64::from(member.standing() == Standing::Ready)
    });
    let help = "Connections to the member.";
    family("hiraeth_gateway_member_connections", "gauge", help, &|member| member.count().0 as u64);
    let help = "Requests and streams that are with the member now.";
    family("hiraeth_gateway_member_streams", "gauge", help, &|member| member.count().1 as u64);
    let help = "Requests that were passed on to the member.";
    family("hiraeth_gateway_member_requests_total", "counter", help, &|member| {
        member.passed.load(Ordering::Relaxed)
    });
}
