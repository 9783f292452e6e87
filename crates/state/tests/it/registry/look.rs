//! What a replica answers, beside what the model does.

use std::collections::BTreeSet;

use state::registry::query::{InstanceFilter, Member, NamedCheck};
use state::registry::{InstanceKey, Name, Registry, Status};
use types::Revision;

use super::model::{Model, Resource};
use super::random::{NAMESPACES, services};
use super::show;

fn member_lines(member: &Member) -> Vec<String> {
    let mut lines = vec![show::node(&member.node), show::instance(&member.instance)];
    lines.extend(member.checks.iter().map(|check| show::check(check)));
    lines
}

pub(crate) fn ask(registry: &Registry, resource: &Resource) -> (String, Revision) {
    let check = |it: &NamedCheck| show::check(&it.check);
    let (lines, index): (Vec<String>, Revision) = match resource {
        Resource::Service(name) => {
            let found = registry.service(name, &InstanceFilter::default());
            (found.value.iter().flat_map(member_lines).collect(), found.index)
        }
        Resource::Node(name) => {
            let node = registry.node(name);
            let lines = node.value.map_or(Vec::new(), |it| {
                let instances = it.instances.iter().map(|it| show::instance(it));
                std::iter::once(show::node(&it.node)).chain(instances).collect()
            });
            (lines, node.index)
        }
        Resource::NodeChecks(name) => {
            let found = registry.node_checks(name);
            let is_there = registry.node(name).value.map(|_| "is there".to_owned());
            let lines = is_there.into_iter().chain(found.value.iter().map(show::named_check));
            (lines.collect(), found.index)
        }
        Resource::ServiceChecks(name) => {
            let found = registry.service_checks(name);
            let members = registry.service(name, &InstanceFilter::default()).value;
            let is_there = members.first().map(|_| "is there".to_owned());
            let lines = is_there.into_iter().chain(found.value.iter().map(show::named_check));
            (lines.collect(), found.index)
        }
        Resource::ServiceList(namespace) => {
            let found = registry.services(namespace);
            let lines = found
                .value
                .iter()
                .map(|(name, tags)| format!("{name} {:?}", tags.iter().collect::<BTreeSet<_>>()));
            (lines.collect(), found.index)
        }
        Resource::Nodes => {
            let found = registry.nodes(&[]);
            (found.value.iter().map(|it| show::node(it)).collect(), found.index)
        }
        Resource::Checks => {
            let all = NAMESPACES.map(|namespace| registry.checks(namespace, None));
            let index = all[0].index;
            let mut lines: Vec<String> = all
                .iter()
                .flat_map(|found| &found.value)
                .map(|it| {
                    let tags = it.instance.as_ref().map(|it| it.tags.clone()).unwrap_or_default();
                    format!("{} {tags:?}", check(it))
                })
                .collect();
            lines.sort();
            (lines, index)
        }
        Resource::Sessions => {
            let found = registry.sessions(None);
            (found.value.iter().map(|it| show::session(it)).collect(), found.index)
        }
    };
    (lines.join("\n"), index)
}

pub(crate) fn look_at_filters(registry: &Registry, model: &Model) {
    for service in services() {
        let filter = InstanceFilter {
            passing_only: true,
            tags: vec!["x".into()],
            node_meta: vec![("k".into(), "1".into())],
            ..InstanceFilter::default()
        };
        let found = registry.service(&service, &filter).value;
        let wanted = model.members(&service).into_iter().filter(|key| {
            let own = InstanceKey::new(&key.node, "", "");
            let mut checks = model.checks_about(&own).chain(model.checks_about(key));
            checks.all(|check| check.status == Status::Passing)
                && model.instances[key].tags.iter().any(|tag| &**tag == "x")
                && model.nodes[&key.node].meta.iter().any(|(_, value)| &**value == "1")
        });
        let found: Vec<_> =
            found.iter().map(|it| (it.node.name.clone(), it.instance.id.clone())).collect();
        let wanted: Vec<_> = wanted.map(|key| (key.node, key.id)).collect();
        assert_eq!(found, wanted);
    }
}

pub(crate) fn look_at_places(registry: &Registry, model: &Model) {
    for namespace in NAMESPACES {
        for id in ["i0", "i1", "i2", "i3", "c0", "c1", "c2", "h"] {
            let found = registry.instance_nodes(namespace, id, 9);
            let here = |ns: &Name, it: &Name| (&**ns, &**it) == (namespace, id);
            let keys = model.instances.keys().filter(|key| here(&key.namespace, &key.id));
            assert_eq!(found, keys.map(|key| key.node.clone()).collect::<Vec<_>>());
            let found = registry.check_nodes(namespace, id, 9);
            let keys = model.checks.keys().filter(|key| here(&key.namespace, &key.id));
            assert_eq!(found, keys.map(|key| key.node.clone()).collect::<Vec<_>>());
        }
    }
    let counts = [model.nodes.len(), model.instances.len(), model.checks.len()];
    let [nodes, _, instances, checks] = registry.counts();
    assert_eq!([nodes, instances, checks], counts);
}
