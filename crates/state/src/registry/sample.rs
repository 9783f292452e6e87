//! Questions that need little of much: answered without copying the rest, and without an index.

use std::sync::Arc;

use super::model::Registry;
use super::name::ServiceName;
use super::query::Member;
use super::record::{Instance, Node, Status};

impl Registry {
    /// At most `most` instances of a service that `takes` by how they stand, in order, from the place on
    /// that `from` is, and then from the first one: whoever asks from random places gets each one as often
    /// as another. Looks at no more instances than it has to.
    #[must_use]
    pub fn sample(
        &self,
        service: &ServiceName,
        from: u64,
        most: usize,
        mut takes: impl FnMut(&Node, &Instance, Status) -> bool,
    ) -> Vec<Member> {
        let Some(entry) = self.services.get(service) else { return Vec::new() };
        let count = entry.instances.len();
        let start = usize::try_from(from % (count as u64).max(1)).unwrap_or_default();
        let after = entry.instances.iter().skip(start);
        let all = after.chain(entry.instances.iter().take(start));
        let found = all.filter_map(|instance| {
            let node = self.nodes.get(&instance.record.node)?;
            let checks = node.checks.iter().chain(&instance.checks);
            let status = checks.clone().map(|check| check.status).max();
            let status = status.unwrap_or(Status::Passing);
            takes(&node.record, &instance.record, status).then(|| Member {
                node: node.record.clone(),
                instance: instance.record.clone(),
                checks: checks.cloned().collect(),
            })
        });
        found.take(most).collect()
    }

    /// A node without what is on it.
    #[must_use]
    pub fn node_record(&self, name: &str) -> Option<Arc<Node>> {
        self.nodes.get(name).map(|entry| entry.record.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use types::Revision;

    use super::super::model::Registry;
    use super::super::name::ServiceName;
    use super::super::record::{Instance, Node, Status, Weights};

    /// More than a block of them.
    const COUNT: u16 = 700;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let node = registry.insert_node(Arc::new(Node {
            name: "n".into(),
            id: "".into(),
            address: "".into(),
            tagged_addresses: [].into(),
            meta: [].into(),
            created: Revision(1),
            modified: Revision(1),
        }));
        for number in 0..COUNT {
            let instance = Instance {
                node: "n".into(),
                namespace: "default".into(),
                id: format!("{number:04}").as_str().into(),
                service: "web".into(),
                tags: [].into(),
                address: "".into(),
                port: number,
                meta: [].into(),
                weights: Weights::default(),
                enable_tag_override: false,
                tagged_addresses: [].into(),
                zone: "".into(),
                extra: [].into(),
                created: Revision(1),
                modified: Revision(1),
            };
            assert!(registry.insert_instance(node, instance).is_some());
        }
        registry
    }

    #[test]
    fn a_sample_is_a_stretch_of_the_whole_from_anywhere() {
        let registry = registry();
        let web = ServiceName::new("default", "web");
        let ports = |from: u64, most: usize| -> Vec<u16> {
            let found = registry.sample(&web, from, most, |_, _, status| status == Status::Passing);
            found.iter().map(|member| member.instance.port).collect()
        };
        assert_eq!(ports(0, 3), [0, 1, 2]);
        assert_eq!(ports(698, 4), [698, 699, 0, 1]);
        assert_eq!(ports(u64::from(COUNT) + 5, 2), [5, 6]);
        let whole: BTreeSet<u16> = ports(300, 10_000).into_iter().collect();
        assert_eq!(whole.len(), usize::from(COUNT));
        assert!(ports(0, 0).is_empty());
        let mut often = [0; COUNT as usize];
        for from in 0..u64::from(COUNT) {
            ports(from, 7).into_iter().for_each(|port| often[usize::from(port)] += 1);
        }
        assert!(often.iter().all(|times| *times == 7));
        let none = registry.sample(&web, 3, 9, |_, _, status| status == Status::Critical);
        assert!(none.is_empty());
        assert!(registry.sample(&ServiceName::new("x", "web"), 3, 9, |_, _, _| true).is_empty());
    }
}
