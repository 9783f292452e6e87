//! Where the id of an instance or a check is: agents are asked without a node's name.

use node::Consistency;
use state::registry::query::NamedCheck;
use state::registry::{CheckKey, DEFAULT_NAMESPACE, InstanceKey, Name, Registry};

use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

/// The only one of `nodes`, which are where an id is apart from this server's own node. However many there
/// are, two are looked at.
fn only(what: &str, id: &str, nodes: Vec<Name>) -> Result<Option<Name>, Problem> {
    match nodes.as_slice() {
        [] => Ok(None),
        [node] => Ok(Some(Name::clone(node))),
        [one, other, ..] => Err(Problem::bad(format!(
            "{what} {id:?} is on the nodes {one:?}, {other:?} and maybe others: ask one of \
             them, or the catalog"
        ))),
    }
}

/// What is there, and is not for whoever asks to see.
pub(super) fn hidden(id: &str) -> Problem {
    Problem::denied(format!(
        "Permission denied: the token lacks permission 'service:read' on {id:?}"
    ))
}

/// Asks this server's copy, and a fresher one if that does not know it.
async fn find<T: Send>(
    asked: &Asked,
    look: impl Fn(&Registry) -> Result<Option<T>, Problem> + Send + Sync,
) -> Result<Option<T>, Problem> {
    let caller = asked.caller();
    if let Some(found) = caller.find(Consistency::Stale, &look).await?.body? {
        return Ok(Some(found));
    }
    caller.find(Consistency::Linearizable, &look).await?.body
}

/// The instance of this id.
pub(super) async fn instance(asked: &Asked, id: &str) -> Result<InstanceKey, Problem> {
    let own = asked.home.record().name;
    let found = find(asked, |registry| {
        let here = InstanceKey::new(&own, DEFAULT_NAMESPACE, id);
        if registry.instance(&here).is_some() {
            return Ok(Some(here.node));
        }
        only("the service ID", id, registry.instance_nodes(DEFAULT_NAMESPACE, id, 2))
    });
    let node = found.await?.ok_or_else(|| {
        Problem::not_found(format!(
            "Unknown service ID {id:?}. Ensure that the service ID is passed, not the service name."
        ))
    })?;
    Ok(InstanceKey::new(&node, DEFAULT_NAMESPACE, id))
}

/// The check of this id.
pub(super) async fn check(asked: &Asked, id: &str) -> Result<(CheckKey, NamedCheck), Problem> {
    let own = asked.home.record().name;
    let found = find(asked, |registry| {
        let here = CheckKey::new(&own, DEFAULT_NAMESPACE, id);
        if let Some(check) = registry.check(&here) {
            return Ok(Some((here, check)));
        }
        let nodes = registry.check_nodes(DEFAULT_NAMESPACE, id, 2);
        let Some(node) = only("the check ID", id, nodes)? else { return Ok(None) };
        let key = CheckKey::new(&node, DEFAULT_NAMESPACE, id);
        Ok(registry.check(&key).map(|check| (key, check)))
    });
    let unknown = || {
        Problem::not_found(format!(
            "Unknown check ID {id:?}. Ensure that the check ID is passed, not the check name."
        ))
    };
    found.await?.ok_or_else(unknown)
}

/// The node an instance is to be on that is registered with this server: where it is already, if another
/// server took it before; and else this one's.
pub(super) async fn home_of(
    asked: &Asked,
    instance: &state::registry::Instance,
) -> Result<Name, Problem> {
    let own: Name = asked.home.record().name.as_str().into();
    // Without an address it is "where the agent is", which is another place on each.
    if instance.address.is_empty() {
        return Ok(own);
    }
    let servers: Vec<Name> = {
        let directory = asked.handle().directory();
        directory.nodes.values().map(|record| record.name.as_str().into()).collect()
    };
    let look = |registry: &Registry| {
        let known = |node: &Name| {
            registry.instance(&InstanceKey::new(node, DEFAULT_NAMESPACE, &instance.id))
        };
        if known(&own).is_some() {
            return None;
        }
        // Few, however many nodes have an instance of this id.
        servers
            .iter()
            .find(|node| {
                known(node).is_some_and(|known| {
                    known.service == instance.service
                        && known.address == instance.address
                        && known.port == instance.port
                })
            })
            .cloned()
    };
    let elsewhere = asked.caller().find(Consistency::Stale, look).await?.body;
    Ok(elsewhere.unwrap_or(own))
}
