//! Questions that are put again and again, by waiters and by the oracle of answers.

use std::sync::Arc;

use state::registry::query::{Indexed, InstanceFilter, NamedCheck};
use state::registry::{Check, DEFAULT_NAMESPACE, Instance, Name, Node, Registry, ServiceName};
use types::Revision;

use super::Topic;
use crate::trace::{hash, mix};

/// A question with an index of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Question {
    Service(&'static str),
    ServiceChecks(&'static str),
    Node(&'static str),
    NodeChecks(&'static str),
    Services,
    Nodes,
    Checks,
    Sessions,
}

/// All that are put.
pub(crate) const QUESTIONS: [Question; 12] = [
    Question::Service("web"),
    Question::Service("db"),
    Question::ServiceChecks("web"),
    Question::ServiceChecks("db"),
    Question::Node("host-0"),
    Question::Node("host-1"),
    Question::NodeChecks("host-0"),
    Question::NodeChecks("host-1"),
    Question::Services,
    Question::Nodes,
    Question::Checks,
    Question::Sessions,
];

/// An answer: its index, and a number for all it shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) index: Revision,
    pub(crate) shows: u64,
}

/// Every answer there is.
pub(crate) fn look(registry: &Registry) -> [Seen; QUESTIONS.len()] {
    QUESTIONS.map(|question| question.ask(registry))
}

impl Question {
    /// What whoever waits for another answer listens to.
    pub(crate) fn topic(self) -> Topic {
        match self {
            Self::Service(name) | Self::ServiceChecks(name) => Topic::Service(service(name)),
            Self::Node(name) | Self::NodeChecks(name) => Topic::Node(name.into()),
            Self::Services => Topic::Services(DEFAULT_NAMESPACE.into()),
            Self::Nodes => Topic::Nodes,
            Self::Checks => Topic::Checks,
            Self::Sessions => Topic::Sessions,
        }
    }

    pub(crate) fn ask(self, registry: &Registry) -> Seen {
        match self {
            Self::Service(name) => {
                let found = registry.service(&service(name), &InstanceFilter::default());
                seen(&found, |sum, members| {
                    members.iter().fold(sum, |sum, member| {
                        let sum = of_instance(of_node(sum, &member.node), &member.instance);
                        member.checks.iter().fold(sum, of_check)
                    })
                })
            }
            Self::ServiceChecks(name) => {
                let name = service(name);
                let all = registry.service(&name, &InstanceFilter::default());
                named(&registry.service_checks(&name), !all.value.is_empty())
            }
            Self::Node(name) => seen(&registry.node(&name.into()), |sum, found| {
                let Some(found) = found else { return sum };
                found.instances.iter().fold(of_node(mix(sum, 1), &found.node), of_instance)
            }),
            Self::NodeChecks(name) => {
                let name = name.into();
                named(&registry.node_checks(&name), registry.node(&name).value.is_some())
            }
            Self::Services => seen(&registry.services(DEFAULT_NAMESPACE), |sum, found| {
                found.iter().fold(sum, |sum, (name, tags)| {
                    tags.iter().fold(of_name(mix(sum, tags.len() as u64), name), of_name)
                })
            }),
            Self::Nodes => seen(&registry.nodes(&[]), |sum, found| found.iter().fold(sum, of_node)),
            Self::Checks => named(&registry.checks(DEFAULT_NAMESPACE, None), true),
            Self::Sessions => seen(&registry.sessions(None), |sum, found| {
                found.iter().fold(sum, |sum, session| {
                    mix(of_name(sum, &session.id), session.modified.get().cast_unsigned())
                })
            }),
        }
    }
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(DEFAULT_NAMESPACE, name)
}

fn seen<T>(found: &Indexed<T>, sum: impl FnOnce(u64, &T) -> u64) -> Seen {
    Seen { index: found.index, shows: sum(0, &found.value) }
}

/// That what was asked for is there at all is part of each answer about it.
fn named(found: &Indexed<Vec<NamedCheck>>, is_there: bool) -> Seen {
    seen(found, |sum, checks| {
        checks.iter().fold(mix(sum, u64::from(is_there)), |sum, named| {
            let sum = of_check(sum, &named.check);
            // Clients are shown its name and tags with the check.
            named.instance.iter().fold(sum, |sum, instance| {
                instance.tags.iter().fold(of_name(sum, &instance.service), of_name)
            })
        })
    })
}

fn of_name(sum: u64, name: &Name) -> u64 {
    mix(sum, hash(name.as_bytes()))
}

fn of_node(sum: u64, node: &Arc<Node>) -> u64 {
    mix(of_name(sum, &node.name), node.modified.get().cast_unsigned())
}

fn of_instance(sum: u64, instance: &Arc<Instance>) -> u64 {
    let sum = instance.tags.iter().fold(of_name(sum, &instance.id), of_name);
    mix(sum, instance.modified.get().cast_unsigned())
}

fn of_check(sum: u64, check: &Arc<Check>) -> u64 {
    let sum = of_name(of_name(sum, &check.id), &check.output);
    mix(mix(sum, check.status as u64), check.modified.get().cast_unsigned())
}
