//! What one can wait for.

use state::registry::{Changes, Name, ServiceName};

/// A question whose answer can be waited for: each is told for its own changes only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Topic {
    /// A service: its instances, their checks, their nodes.
    Service(ServiceName),
    /// A node and what is on it.
    Node(Name),
    /// The services of a namespace with their tags.
    Services(Name),
    /// The list of nodes.
    Nodes,
    /// All checks.
    Checks,
    /// All sessions.
    Sessions,
    /// One session.
    Session(Name),
}

/// Whether nobody waits for any of it.
pub(crate) fn concerns_nobody(changes: &Changes) -> bool {
    changes.services.is_empty()
        && changes.nodes.is_empty()
        && changes.service_lists.is_empty()
        && !changes.node_list
        && !changes.checks
        && changes.sessions.is_empty()
}

/// What changed, as what is waited for.
pub(crate) fn topics(changes: &Changes) -> impl Iterator<Item = Topic> + '_ {
    let services = changes.services.iter().cloned().map(Topic::Service);
    let nodes = changes.nodes.iter().cloned().map(Topic::Node);
    let lists = changes.service_lists.iter().cloned().map(Topic::Services);
    let sessions = changes.sessions.iter().cloned().map(Topic::Session);
    let all = [
        (changes.node_list, Topic::Nodes),
        (changes.checks, Topic::Checks),
        (!changes.sessions.is_empty(), Topic::Sessions),
    ];
    let all = all.into_iter().filter_map(|(changed, topic)| changed.then_some(topic));
    services.chain(nodes).chain(lists).chain(sessions).chain(all)
}
