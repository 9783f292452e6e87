//! Choosing an instance.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use super::instance::{Instance, Standing};

/// A number nobody can foresee, good enough to spread load by.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// One of the instances that pass, those of `zone` first if any of them does; the heavier, the more
/// often. Where none passes, one that warns.
pub(super) fn pick(all: &[Arc<Instance>], zone: &str) -> Option<Arc<Instance>> {
    for standing in [Standing::Passing, Standing::Warning] {
        let usable = || all.iter().filter(|it| it.standing == standing);
        let near = usable().any(|it| !zone.is_empty() && it.zone == zone);
        let wanted = || usable().filter(|it| !near || it.zone == zone);
        let weight = |it: &Arc<Instance>| u64::from(it.weight.max(1));
        let total: u64 = wanted().map(weight).sum();
        if total == 0 {
            continue;
        }
        let mut left = random() % total;
        for instance in wanted() {
            let weight = weight(instance);
            if left < weight {
                return Some(Arc::clone(instance));
            }
            left -= weight;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::super::instance::{Instance, Standing};
    use super::pick;

    fn instance(id: &str, weight: u32, zone: &str, standing: Standing) -> Arc<Instance> {
        let (id, zone) = (id.to_owned(), zone.to_owned());
        Arc::new(Instance { id, weight, zone, standing, ..Instance::default() })
    }

    #[test]
    fn the_heavier_and_the_nearer_are_chosen() {
        let all = [
            instance("a", 1, "x", Standing::Passing),
            instance("b", 3, "y", Standing::Passing),
            instance("c", 9, "z", Standing::Critical),
            instance("d", 9, "z", Standing::Warning),
        ];
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..4_000 {
            *counts.entry(pick(&all, "z").unwrap().id.clone()).or_default() += 1;
        }
        assert_eq!(counts.len(), 2, "{counts:?}");
        assert!((700..1_300).contains(&counts["a"]), "{counts:?}");
        for _ in 0..100 {
            assert_eq!(pick(&all, "x").unwrap().id, "a");
        }
        assert_eq!(pick(&all[2..], "").unwrap().id, "d");
        assert!(pick(&all[2..3], "").is_none());
    }
}
