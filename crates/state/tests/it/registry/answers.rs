//! Every answer, made anew from the model's records.

use std::collections::{BTreeMap, BTreeSet};

use state::registry::{Check, InstanceKey, Name, ServiceName};

use super::model::{Model, Resource, instance_of};
use super::show;

impl Model {
    /// Makes every answer anew; answers which are other ones than before.
    pub(super) fn look_around(&mut self) -> BTreeSet<Resource> {
        let (now, mut woken) = (self.revision, BTreeSet::new());
        let resources: Vec<Resource> = self.answers.keys().cloned().collect();
        for resource in resources {
            let answer = self.answer(&resource);
            let known = self.answers.get_mut(&resource).unwrap();
            if known.0 != answer {
                *known = (answer, now);
                woken.insert(resource);
            }
        }
        woken
    }

    fn answer(&self, resource: &Resource) -> String {
        let mut lines = Vec::new();
        match resource {
            Resource::Service(service) => {
                for key in self.members(service) {
                    let (node, own) = (&self.nodes[&key.node], InstanceKey::new(&key.node, "", ""));
                    lines.push(show::node(node));
                    lines.push(show::instance(&self.instances[&key]));
                    lines.extend(self.checks_about(&own).map(show::check));
                    lines.extend(self.checks_about(&key).map(show::check));
                }
            }
            Resource::Node(name) => {
                lines.extend(self.nodes.get(name).map(show::node));
                let on_it = self.instances.iter().filter(|(key, _)| key.node == *name);
                lines.extend(on_it.map(|(_, it)| show::instance(it)));
            }
            // That it is there is part of every answer about it.
            Resource::NodeChecks(name) => {
                lines.extend(self.nodes.get(name).map(|_| "is there".to_owned()));
                lines.extend(self.checks_about(&InstanceKey::new(name, "", "")).map(show::check));
                for (key, it) in self.instances.iter().filter(|(key, _)| key.node == *name) {
                    let checks = self.checks_about(key);
                    lines.extend(checks.map(|check| show::check_of(check, &it.service, &it.tags)));
                }
            }
            Resource::ServiceChecks(service) => {
                let members = self.members(service);
                lines.extend(members.first().map(|_| "is there".to_owned()));
                for key in members {
                    let it = &self.instances[&key];
                    let checks = self.checks_about(&key);
                    lines.extend(checks.map(|check| show::check_of(check, &it.service, &it.tags)));
                }
            }
            Resource::ServiceList(namespace) => {
                let mut tags: BTreeMap<&Name, BTreeSet<&Name>> = BTreeMap::new();
                for it in self.instances.values().filter(|it| it.namespace == *namespace) {
                    tags.entry(&it.service).or_default().extend(it.tags.iter());
                }
                lines.extend(tags.iter().map(|(name, tags)| format!("{name} {tags:?}")));
            }
            Resource::Nodes => lines.extend(self.nodes.values().map(show::node)),
            Resource::Checks => {
                for check in self.checks.values() {
                    let tags = self.instances.get(&instance_of(check)).map(|it| it.tags.clone());
                    lines.push(format!("{} {:?}", show::check(check), tags.unwrap_or_default()));
                }
                lines.sort();
            }
            Resource::Sessions => lines.extend(self.sessions.values().map(show::session)),
        }
        lines.join("\n")
    }

    /// By node and id.
    pub(crate) fn members(&self, service: &ServiceName) -> Vec<InstanceKey> {
        let members = self
            .instances
            .iter()
            .filter(|(_, it)| (&it.namespace, &it.service) == (&service.namespace, &service.name));
        members.map(|(key, _)| key.clone()).collect()
    }

    /// About the node if the instance's id is empty.
    pub(crate) fn checks_about<'a>(&'a self, key: &InstanceKey) -> impl Iterator<Item = &'a Check> {
        let key = key.clone();
        self.checks.values().filter(move |check| {
            let about = instance_of(check);
            if key.id.is_empty() {
                (&about.node, &about.id) == (&key.node, &key.id)
            } else {
                about == key
            }
        })
    }
}
