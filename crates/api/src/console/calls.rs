//! Methods of `hiraeth.v1` that the pages ask as JSON, in the words of the gateway: those that change
//! nothing, and a few that the pages ask for after they have asked the user. Each is called through the front
//! door, so whoever asks needs the rights it needs over gRPC.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::gateway::Route;

/// By service and method, as gRPC's paths have them.
const METHODS: [(&str, &str, &str); 16] = [
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
    ("hiraeth.v1.Config/List", "hiraeth.v1.Config", "List"),
    ("hiraeth.v1.Config/History", "hiraeth.v1.Config", "History"),
    ("hiraeth.v1.Config/GetVersion", "hiraeth.v1.Config", "GetVersion"),
    ("hiraeth.v1.Config/Diff", "hiraeth.v1.Config", "Diff"),
    ("hiraeth.v1.Config/GrayStatus", "hiraeth.v1.Config", "GrayStatus"),
    ("hiraeth.v1.Config/GetSchema", "hiraeth.v1.Config", "GetSchema"),
];
/// Those that change something.
const ACTIONS: [(&str, &str, &str); 3] = [
    ("hiraeth.v1.Config/Rollback", "hiraeth.v1.Config", "Rollback"),
    ("hiraeth.v1.Config/PromoteGray", "hiraeth.v1.Config", "PromoteGray"),
    ("hiraeth.v1.Config/AbortGray", "hiraeth.v1.Config", "AbortGray"),
];

/// The method that is called so, if the pages may ask it.
pub(super) fn find(called: &str) -> Option<&'static Route> {
    static ROUTES: LazyLock<BTreeMap<&'static str, Route>> = LazyLock::new(|| {
        let route = |&(called, service, name): &(&'static str, &str, &str)| {
            Some((called, Route::of(service, name)?))
        };
        METHODS.iter().chain(&ACTIONS).filter_map(route).collect()
    });
    ROUTES.get(called)
}

/// Whether a method changes nothing, and so can be asked again and again.
pub(super) fn only_tells(called: &str) -> bool {
    METHODS.iter().any(|(known, ..)| *known == called)
}

#[cfg(test)]
mod tests {
    use super::{ACTIONS, METHODS, find, only_tells};

    #[test]
    fn every_method_is_there_and_no_other() {
        for (called, service, name) in METHODS.into_iter().chain(ACTIONS) {
            assert_eq!(called, format!("{service}/{name}"));
            assert!(find(called).is_some(), "{called}");
        }
        assert!(ACTIONS.iter().all(|(called, ..)| !only_tells(called)));
        for other in [
            "hiraeth.v1.Node/Remove",
            "hiraeth.v1.Config/Delete",
            "etcdserverpb.KV/Put",
            "",
            "hiraeth.v1.Node",
        ] {
            assert!(find(other).is_none(), "{other}");
        }
    }
}
