//! What the registry holds, and what changed, as lines.

use state::registry::query::{InstanceFilter, NamedCheck};
use state::registry::{
    Changes, Check, Instance, InstanceKey, Name, Node, Registry, ServiceName, Session, Status,
    Timer, TimerChange,
};

use super::words;
use crate::parse::option;

fn joined(names: impl IntoIterator<Item = impl ToString>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" ")
}

pub(crate) fn changes(changes: &Changes) -> Vec<String> {
    let mut woken = Vec::new();
    for (what, names) in [
        ("services", joined(&changes.services)),
        ("nodes", joined(&changes.nodes)),
        ("lists of", joined(&changes.service_lists)),
        ("sessions", joined(&changes.sessions)),
    ] {
        if !names.is_empty() {
            woken.push(format!("{what} {names}"));
        }
    }
    for (what, is_so) in [("all nodes", changes.node_list), ("all checks", changes.checks)] {
        if is_so {
            woken.push(what.to_owned());
        }
    }
    let mut lines = Vec::new();
    if !woken.is_empty() {
        lines.push(format!("  wakes {}", woken.join("; ")));
    }
    for change in &changes.timers {
        lines.push(match change {
            TimerChange::Start(id, timer) => {
                format!("  timer {} starts: {}", id.0, self::timer(timer))
            }
            TimerChange::Stop(id) => format!("  timer {} stops", id.0),
        });
    }
    for (key, delay_ms) in &changes.lock_delays {
        lines.push(format!("  nobody gets {} for {delay_ms} ms", key.escape_ascii()));
    }
    lines
}

pub(crate) fn timer(timer: &Timer) -> String {
    match timer {
        Timer::Session { ttl_ms } => format!("a session of {ttl_ms} ms"),
        Timer::Check(check) => {
            let service = check.service.as_ref().map_or("a node".to_owned(), ToString::to_string);
            let mut text = format!("a {:?} check of {service}", check.status);
            for (what, ms) in [("ttl", check.ttl_ms), ("removed after", check.deregister_after_ms)]
            {
                if ms > 0 {
                    text.push_str(&format!(", {what} {ms} ms"));
                }
            }
            text
        }
    }
}

/// `ask service web passing tag=a near=n1`, `ask services`, `ask nodes`, `ask node n1` and so on.
pub(crate) fn ask(registry: &Registry, words: &[&str]) -> Vec<String> {
    let namespace = words::namespace(words);
    let named = |at: usize| ServiceName::new(namespace, words[at]);
    let (index, lines) = match words[0] {
        "service" => {
            let tags = words.iter().filter_map(|word| word.strip_prefix("tag=")).map(Into::into);
            let filter = InstanceFilter {
                passing_only: words.contains(&"passing"),
                tags: tags.collect(),
                node_meta: option(words, "meta")
                    .map(|pair| pair.split_once(':').unwrap())
                    .map(|(key, value)| (key.into(), value.into()))
                    .into_iter()
                    .collect(),
                near_node: option(words, "near").map(Into::into),
                near_zone: option(words, "zone").map(Into::into),
            };
            let found = registry.service(&named(1), &filter);
            let lines = found.value.iter().map(|member| {
                let checks = member.checks.iter().map(|it| format!("{}:{:?}", it.id, it.status));
                let (node, stands) = (&member.node.name, member.status());
                format!("{} on {node} {stands:?}: {}", instance(&member.instance), joined(checks))
            });
            (found.index, lines.collect())
        }
        "services" => {
            let found = registry.services(namespace);
            let lines =
                found.value.iter().map(|(name, tags)| format!("{name}: {}", joined(tags.iter())));
            (found.index, lines.map(|line| line.trim_end().to_owned()).collect())
        }
        "nodes" => {
            let found = registry.nodes(&[]);
            (found.index, found.value.iter().map(|it| node(it)).collect())
        }
        "node" => {
            let found = registry.node(&words[1].into());
            let lines = found.value.map_or(Vec::new(), |it| {
                let mut lines = vec![node(&it.node)];
                lines.extend(it.instances.iter().map(|it| format!("  {}", instance(it))));
                lines
            });
            (found.index, lines)
        }
        "checks" => {
            let found = match words[1] {
                "any" => registry.checks(namespace, None),
                "critical" => registry.checks(namespace, Some(Status::Critical)),
                "of" => registry.service_checks(&named(2)),
                node => registry.node_checks(&node.into()),
            };
            (found.index, found.value.iter().map(named_check).collect())
        }
        "sessions" => {
            let found = registry.sessions(words.get(1).copied());
            (found.index, found.value.iter().map(|it| session(it)).collect())
        }
        "session" => {
            let found = registry.session(words[1]);
            (found.index, found.value.iter().map(|it| session(it)).collect())
        }
        "where" => {
            let instances = joined(registry.instance_nodes(namespace, words[1], 9));
            let checks = joined(registry.check_nodes(namespace, words[1], 9));
            let key = |node: &str| InstanceKey::new(node, namespace, words[1]);
            let known = registry
                .instance_nodes(namespace, words[1], 9)
                .iter()
                .all(|node| registry.instance(&key(node)).is_some());
            assert!(known);
            return vec![format!("instance on [{instances}], check on [{checks}]")];
        }
        "timers" => {
            let timers = registry.timers();
            return timers.map(|(id, it)| format!("{}: {}", id.0, timer(&it))).collect();
        }
        other => panic!("question {other:?}"),
    };
    let mut all = vec![format!("index {index}")];
    all.extend(lines.into_iter().map(|line: String| format!("  {line}")));
    all
}

fn pairs(pairs: &[(Name, Name)]) -> String {
    joined(pairs.iter().map(|(key, value)| format!("{key}={value}")))
}

pub(crate) fn node(node: &Node) -> String {
    let Node { name, address, meta, created, modified, .. } = node;
    format!("{name} at {address} [{}] {created}/{modified}", pairs(meta))
}

pub(crate) fn instance(it: &Instance) -> String {
    format!(
        "{} of {}/{} at {}:{} tags [{}] [{}] zone [{}] {}/{}",
        it.id,
        it.namespace,
        it.service,
        it.address,
        it.port,
        joined(it.tags.iter()),
        pairs(&it.meta),
        it.zone,
        it.created,
        it.modified
    )
}

pub(crate) fn check(it: &Check) -> String {
    let about = if it.is_of_node() { "the node" } else { &it.instance };
    format!(
        "{} on {} of {about} {:?} {:?} timer {} {}/{}",
        it.id, it.node, it.status, it.output, it.timer.0, it.created, it.modified
    )
}

pub(crate) fn check_of(it: &Check, service: &Name, tags: &[Name]) -> String {
    format!("{} of {service} [{}]", check(it), joined(tags))
}

pub(crate) fn named_check(named: &NamedCheck) -> String {
    match &named.instance {
        Some(it) => check_of(&named.check, &it.service, &it.tags),
        None => check(&named.check),
    }
}

pub(crate) fn session(it: &Session) -> String {
    format!(
        "{} on {} {:?} ttl {} delay {} checks [{}] services [{}] {}/{}",
        it.id,
        it.node,
        it.behavior,
        it.ttl_ms,
        it.lock_delay_ms,
        joined(it.node_checks.iter()),
        joined(it.service_checks.iter().map(|(_, id)| id)),
        it.created,
        it.modified
    )
}
