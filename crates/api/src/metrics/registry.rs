//! The registry, where there is one.

use ::node::{Consistency, Handle, Scope};
use state::registry::{MACHINE, Registries};

use super::text::{
    Kind::{Counter, Gauge},
    Text,
};

/// What is registered, as this node's copy has it; `None` where there is no registry yet.
pub(super) async fn counts(handle: &Handle) -> Option<[usize; 4]> {
    let keyspace = handle.keyspace(Some(MACHINE)).ok()?;
    let asked = handle
        .registry(keyspace, &Scope::Whole, Consistency::Stale, |registry: Registries<'_>| {
            registry.counts()
        })
        .await;
    asked.ok().map(|answer| answer.body)
}

pub(super) fn write(text: &mut Text, handle: &Handle, counts: Option<[usize; 4]>) {
    let meters = handle.meters();
    let help = "Requests that waited for a change and were woken for one.";
    text.one("hiraeth_registry_woken_total", Counter, help, meters.woken.get());
    let help = "How long after a change its subscribers said that they have it.";
    text.histogram("hiraeth_registry_push_seconds", help, &meters.pushes.tally(), 1e6);
    if let Some([nodes, services, instances, checks]) = counts {
        let gauges = [
            ("hiraeth_registry_nodes", "Nodes that are registered.", nodes),
            ("hiraeth_registry_services", "Services with instances.", services),
            ("hiraeth_registry_instances", "Instances that are registered.", instances),
            ("hiraeth_registry_checks", "Checks of nodes and instances.", checks),
        ];
        gauges.into_iter().for_each(|(name, help, value)| text.one(name, Gauge, help, value));
    }
    let Some(load) = handle.registry_load() else { return };
    let gauges = [
        ("hiraeth_registry_deadlines", "Deadlines counted; 0 where it is not led.", load.deadlines),
        ("hiraeth_registry_deadlines_bytes", "Bytes they take, at most.", load.deadline_bytes),
        (
            "hiraeth_registry_held_back",
            "Checks silent for too long that are held back, since too many of a service are.",
            load.held_back,
        ),
        ("hiraeth_registry_waiting", "Requests that wait for changes.", load.waiting),
        (
            "hiraeth_registry_followed_services",
            "Services with subscribers here.",
            load.services_followed,
        ),
        ("hiraeth_registry_subscriptions", "Subscriptions to them.", load.subscriptions),
    ];
    gauges.into_iter().for_each(|(name, help, value)| text.one(name, Gauge, help, value));
}
