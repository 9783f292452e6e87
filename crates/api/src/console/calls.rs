//! Methods of `hiraeth.v1` that the pages ask as JSON, in the words of the gateway: those that change
//! nothing. Each is called through the front door, so whoever asks needs the rights it needs over gRPC.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::gateway::Route;

/// By service and method, as gRPC's paths have them.
const METHODS: [(&str, &str, &str); 10] = [
    ("hiraeth.v1.Node/Status", "hiraeth.v1.Node", "Status"),
    ("hiraeth.v1.Node/Stats", "hiraeth.v1.Node", "Stats"),
    ("hiraeth.v1.Node/Hot", "hiraeth.v1.Node", "Hot"),
    ("hiraeth.v1.Node/Flight", "hiraeth.v1.Node", "Flight"),
    ("hiraeth.v1.Node/Watches", "hiraeth.v1.Node", "Watches"),
    ("hiraeth.v1.Keyspaces/List", "hiraeth.v1.Keyspaces", "List"),
    ("hiraeth.v1.Keyspaces/Regions", "hiraeth.v1.Keyspaces", "Regions"),
    ("hiraeth.v1.Registry/Services", "hiraeth.v1.Registry", "Services"),
    ("hiraeth.v1.Registry/Find", "hiraeth.v1.Registry", "Find"),
    ("hiraeth.v1.Registry/Audit", "hiraeth.v1.Registry", "Audit"),
];

/// The method that is called so, if the pages may ask it.
pub(super) fn find(called: &str) -> Option<&'static Route> {
    static ROUTES: LazyLock<BTreeMap<&'static str, Route>> = LazyLock::new(|| {
        let route = |&(called, service, name): &(&'static str, &str, &str)| {
            Some((called, Route::of(service, name)?))
        };
        METHODS.iter().filter_map(route).collect()
    });
    ROUTES.get(called)
}

#[cfg(test)]
mod tests {
    use super::{METHODS, find};

    #[test]
    fn every_method_is_there_and_no_other() {
        for (called, service, name) in METHODS {
            assert_eq!(called, format!("{service}/{name}"));
            assert!(find(called).is_some(), "{called}");
        }
        for other in ["hiraeth.v1.Node/Remove", "etcdserverpb.KV/Put", "", "hiraeth.v1.Node"] {
            assert!(find(other).is_none(), "{other}");
        }
    }
}
