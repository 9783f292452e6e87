//! Which path is answered by what.

use futures::future::BoxFuture;

use super::answer::Outcome;
use super::asked::Asked;
use super::{
    acl, agent, autopilot, catalog, config, coordinate, event, health, kv, operator, query,
    session, snapshot, status, txn,
};

/// What whoever asks needs, where rights are looked at at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rights {
    /// Nothing: it says no more than that somebody is there.
    Nobody,
    /// To be a user.
    User,
    /// To read all of the registry's keyspace: there are no rights on single services yet.
    Read,
    /// To write all of it.
    Write,
    /// To be root: all of it is read, or written over.
    Root,
    /// Rights over the keys that are named; the route looks by itself.
    Keys,
}
use Rights::{Keys, Nobody, Read, Root, User, Write};

/// One route. A path that ends with `/` has something behind it.
pub(super) struct Route {
    pub(super) methods: &'static str,
    pub(super) path: &'static str,
    pub(super) rights: Rights,
    pub(super) run: for<'a> fn(&'a Asked) -> BoxFuture<'a, Outcome>,
}

macro_rules! routes {
    ($($rights:ident $methods:literal $path:literal $($handler:ident)::+;)*) => {
        &[$(Route {
            methods: $methods,
            path: $path,
            rights: $rights,
            run: |asked| Box::pin($($handler)::+(asked)),
        },)*]
    };
}

/// What is behind `/v1/`.
const ROUTES: &[Route] = routes! {
    Keys "GET" "kv/" kv::get;
    Keys "PUT" "kv/" kv::put;
    Keys "DELETE" "kv/" kv::delete;
    Keys "PUT" "txn" txn::txn;

    User "GET" "agent/self" agent::self_;
    User "GET" "agent/members" agent::members;
    Read "GET" "agent/services" agent::services;
    Read "GET" "agent/service/" agent::service;
    Read "GET" "agent/checks" agent::checks;
    Write "PUT" "agent/service/register" agent::register;
    Write "PUT" "agent/service/deregister/" agent::deregister;
    Write "PUT" "agent/service/maintenance/" agent::service_maintenance;
    Write "PUT" "agent/maintenance" agent::node_maintenance;
    Write "PUT" "agent/check/register" agent::register_check;
    Write "PUT" "agent/check/deregister/" agent::deregister_check;
    Write "PUT" "agent/check/pass/" agent::pass;
    Write "PUT" "agent/check/warn/" agent::warn;
    Write "PUT" "agent/check/fail/" agent::fail;
    Write "PUT" "agent/check/update/" agent::update;
    Read "GET" "agent/health/service/id/" agent::service_by_id;
    Read "GET" "agent/health/service/name/" agent::service_by_name;
    User "GET" "agent/metrics" agent::metrics;
    User "GET" "agent/version" agent::version;
    User "GET" "agent/host" agent::host_info;
    Write "GET" "agent/monitor" agent::monitor;
    Write "PUT" "agent/join/" agent::join;
    Write "PUT" "agent/leave" agent::leave;
    Write "PUT" "agent/force-leave/" agent::force_leave;
    Write "PUT" "agent/reload" agent::reload;
    User "PUT" "agent/token/" acl::disabled;

    User "GET" "acl/" acl::disabled;
    User "PUT" "acl/" acl::disabled;
    User "POST" "acl/" acl::disabled;
    User "DELETE" "acl/" acl::disabled;

    User "GET" "catalog/datacenters" catalog::datacenters;
    Read "GET" "catalog/nodes" catalog::nodes;
    Read "GET" "catalog/services" catalog::services;
    Read "GET" "catalog/service/" catalog::service;
    Read "GET" "catalog/connect/" catalog::nothing;
    Read "GET" "catalog/gateway-services/" catalog::nothing;
    Read "GET" "catalog/node/" catalog::node;
    Read "GET" "catalog/node-services/" catalog::node_services;
    Write "PUT" "catalog/register" catalog::register;
    Write "PUT" "catalog/deregister" catalog::deregister;

    Read "GET" "health/service/" health::service;
    Read "GET" "health/connect/" catalog::nothing;
    Read "GET" "health/ingress/" catalog::nothing;
    Read "GET" "health/node/" health::node;
    Read "GET" "health/checks/" health::checks;
    Read "GET" "health/state/" health::state;

    Write "PUT" "session/create" session::create;
    Write "PUT" "session/destroy/" session::destroy;
    Write "PUT" "session/renew/" session::renew;
    Read "GET" "session/info/" session::info;
    Read "GET" "session/node/" session::of_node;
    Read "GET" "session/list" session::list;

    Nobody "GET" "status/leader" status::leader;
    Nobody "GET" "status/peers" status::peers;

    Write "PUT" "event/fire/" event::fire;
    // Spring posts them.
    Write "POST" "event/fire/" event::fire;
    Read "GET" "event/list" event::list;

    Read "GET" "query" query::list;
    Write "POST" "query" query::create;
    Read "GET" "query/" query::get;
    Write "PUT" "query/" query::update;
    Write "DELETE" "query/" query::remove;

    Write "PUT" "config" config::set;
    Read "GET" "config/" config::get;
    Write "DELETE" "config/" config::remove;

    Read "GET" "coordinate/datacenters" coordinate::datacenters;
    Read "GET" "coordinate/nodes" coordinate::nodes;
    Read "GET" "coordinate/node/" coordinate::node;
    Write "PUT" "coordinate/update" coordinate::update;

    Root "GET" "snapshot" snapshot::save;
    Root "PUT" "snapshot" snapshot::restore;

    User "GET" "operator/raft/configuration" operator::raft_configuration;
    Write "DELETE" "operator/raft/peer" operator::remove_peer;
    Write "POST" "operator/raft/transfer-leader" operator::transfer_leader;
    Read "GET" "operator/autopilot/configuration" autopilot::configuration;
    Write "PUT" "operator/autopilot/configuration" autopilot::configure;
    User "GET" "operator/autopilot/health" operator::autopilot_health;
    User "GET" "operator/autopilot/state" operator::autopilot_state;
    Read "GET" "operator/keyring" operator::keyring;
    Write "POST" "operator/keyring" operator::keyring;
    Write "PUT" "operator/keyring" operator::keyring;
    Write "DELETE" "operator/keyring" operator::keyring;
    Read "GET" "operator/usage" operator::usage;
};

/// What is found for a path.
pub(super) enum Found<'a> {
    /// The route, and what follows it.
    Route(&'static Route, &'a str),
    /// There is one for another method.
    OtherMethod(&'static str),
    Nothing,
}

/// Finds the route of `path`, which is what follows `/v1/`: the longest that fits.
pub(super) fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    // What only asks for the head asks the same.
    let method = if method == "HEAD" { "GET" } else { method };
    let fits = |route: &Route| match route.path.strip_suffix('/') {
        Some(_) => path.starts_with(route.path),
        None => path == route.path || path.strip_suffix('/') == Some(route.path),
    };
    let mut other = None;
    let mut best: Option<&'static Route> = None;
    for route in ROUTES.iter().filter(|route| fits(route)) {
        if !route.methods.split(' ').any(|it| it == method) {
            other.get_or_insert(route.methods);
        } else if best.is_none_or(|best| best.path.len() < route.path.len()) {
            best = Some(route);
        }
    }
    match (best, other) {
        (Some(route), _) => Found::Route(route, path.get(route.path.len()..).unwrap_or_default()),
        (None, Some(methods)) => Found::OtherMethod(methods),
        (None, None) => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, ROUTES, find};

    fn found(method: &str, path: &str) -> String {
        match find(method, path) {
            Found::Route(route, tail) => format!("{} {tail}", route.path),
            Found::OtherMethod(methods) => format!("only {methods}"),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_find_their_routes() {
        assert_eq!(found("GET", "kv/a/b%2Fc"), "kv/ a/b%2Fc");
        assert_eq!(found("GET", "kv/"), "kv/ ");
        assert_eq!(found("PUT", "agent/service/register"), "agent/service/register ");
        assert_eq!(found("GET", "agent/service/register"), "agent/service/ register");
        assert_eq!(found("PUT", "agent/service/deregister/a"), "agent/service/deregister/ a");
        assert_eq!(found("POST", "agent/self"), "only GET");
        assert_eq!(found("HEAD", "agent/self"), "agent/self ");
        assert_eq!(found("GET", "agent/selfie"), "nothing");
        assert_eq!(found("GET", ""), "nothing");
    }

    #[test]
    fn no_two_routes_are_the_same() {
        let mut all: Vec<_> = ROUTES.iter().map(|route| (route.path, route.methods)).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
