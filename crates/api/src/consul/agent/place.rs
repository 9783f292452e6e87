//! Where the id of an instance or a check is: agents are asked without a node's name.

use node::Consistency;
use state::auth::acl::Resource;
use state::registry::query::NamedCheck;
use state::registry::{CheckKey, DEFAULT_NAMESPACE, InstanceKey, Name, Registries};

use crate::consul::asked::Asked;
use crate::consul::problem::Problem;

/// What there is of an id apart from this server's own node.
enum Found<T> {
    Nowhere,
    Once(T),
    /// On these nodes, and maybe on others: however many there are, two are looked at.
    Often(Vec<Name>),
}

impl<T> Found<T> {
    fn of(nodes: Vec<Name>, once: impl FnOnce(Name) -> Option<T>) -> Self {
        match nodes.as_slice() {
            [] => Self::Nowhere,
            [node] => once(Name::clone(node)).map_or(Self::Nowhere, Self::Once),
            _ => Self::Often(nodes),
        }
    }
}

/// Which one is meant cannot be told. Names of nodes are told to who may read them.
async fn ambiguous(asked: &Asked, what: &str, mut nodes: Vec<Name>) -> Result<Problem, Problem> {
    let judge = asked.caller().judge(true).await?;
    nodes.retain(|node| judge.sees(Resource::Node(node)));
    let named: Vec<String> = nodes.iter().map(|node| format!("{node:?}")).collect();
    let among = match named.is_empty() {
        true => String::new(),
        false => format!(", among them {}", named.join(", ")),
    };
    Ok(Problem::bad(format!("{what} is on several nodes{among}: ask one of them, or the catalog")))
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
    what: &str,
    look: impl Fn(Registries<'_>) -> Found<T> + Send + Sync,
) -> Result<Option<T>, Problem> {
    let caller = asked.caller();
    let mut found = caller.find(Consistency::Stale, &look).await?.body;
    if matches!(found, Found::Nowhere) {
        found = caller.find(Consistency::Linearizable, &look).await?.body;
    }
    match found {
        Found::Nowhere => Ok(None),
        Found::Once(found) => Ok(Some(found)),
        Found::Often(nodes) => Err(ambiguous(asked, what, nodes).await?),
    }
}

/// The instance of this id.
pub(super) async fn instance(asked: &Asked, id: &str) -> Result<InstanceKey, Problem> {
    let own = asked.home.record().name;
    let what = format!("the service ID {id:?}");
    let found = find(asked, &what, |registry| {
        let here = InstanceKey::new(&own, DEFAULT_NAMESPACE, id);
        if registry.instance(&here).is_some() {
            return Found::Once(here.node);
        }
        Found::of(registry.instance_nodes(DEFAULT_NAMESPACE, id, 2), Some)
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
    let what = format!("the check ID {id:?}");
    let found = find(asked, &what, |registry| {
        let here = CheckKey::new(&own, DEFAULT_NAMESPACE, id);
        if let Some(check) = registry.check(&here) {
            return Found::Once((here, check));
        }
        Found::of(registry.check_nodes(DEFAULT_NAMESPACE, id, 2), |node| {
            let key = CheckKey::new(&node, DEFAULT_NAMESPACE, id);
            registry.check(&key).map(|check| (key, check))
        })
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
    let look = |registry: Registries<'_>| {
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
