//! Which path is answered by what.

use futures::future::BoxFuture;

use super::answer::Outcome;
use super::asked::Asked;
use super::{agent, catalog, health, kv, session, status};

/// One route. A path that ends with `/` has something behind it.
pub(super) struct Route {
    pub(super) methods: &'static str,
    pub(super) path: &'static str,
    pub(super) run: for<'a> fn(&'a Asked) -> BoxFuture<'a, Outcome>,
}

macro_rules! routes {
    ($($methods:literal $path:literal $($handler:ident)::+;)*) => {
        &[$(Route { methods: $methods, path: $path, run: |asked| Box::pin($($handler)::+(asked)) },)*]
    };
}

/// What is behind `/v1/`.
const ROUTES: &[Route] = routes! {
    "GET" "kv/" kv::get;
    "PUT" "kv/" kv::put;
    "DELETE" "kv/" kv::delete;
    "PUT" "txn" kv::txn;

    "GET" "agent/self" agent::self_;
    "GET" "agent/members" agent::members;
    "GET" "agent/services" agent::services;
    "GET" "agent/service/" agent::service;
    "GET" "agent/checks" agent::checks;
    "PUT" "agent/service/register" agent::register;
    "PUT" "agent/service/deregister/" agent::deregister;
    "PUT" "agent/service/maintenance/" agent::service_maintenance;
    "PUT" "agent/maintenance" agent::node_maintenance;
    "PUT" "agent/check/register" agent::register_check;
    "PUT" "agent/check/deregister/" agent::deregister_check;
    "PUT" "agent/check/pass/" agent::pass;
    "PUT" "agent/check/warn/" agent::warn;
    "PUT" "agent/check/fail/" agent::fail;
    "PUT" "agent/check/update/" agent::update;
    "GET" "agent/health/service/id/" agent::service_by_id;
    "GET" "agent/health/service/name/" agent::service_by_name;
    "GET" "agent/metrics" agent::metrics;
    "GET" "agent/version" agent::version;
    "GET" "agent/host" agent::host_info;
    "GET" "agent/monitor" agent::monitor;
    "PUT" "agent/join/" agent::join;
    "PUT" "agent/leave" agent::leave;
    "PUT" "agent/force-leave/" agent::force_leave;
    "PUT" "agent/reload" agent::reload;
    "PUT" "agent/token/" agent::token;

    "GET" "catalog/datacenters" catalog::datacenters;
    "GET" "catalog/nodes" catalog::nodes;
    "GET" "catalog/services" catalog::services;
    "GET" "catalog/service/" catalog::service;
    "GET" "catalog/connect/" catalog::nothing;
    "GET" "catalog/gateway-services/" catalog::nothing;
    "GET" "catalog/node/" catalog::node;
    "GET" "catalog/node-services/" catalog::node_services;
    "PUT" "catalog/register" catalog::register;
    "PUT" "catalog/deregister" catalog::deregister;

    "GET" "health/service/" health::service;
    "GET" "health/connect/" catalog::nothing;
    "GET" "health/ingress/" catalog::nothing;
    "GET" "health/node/" health::node;
    "GET" "health/checks/" health::checks;
    "GET" "health/state/" health::state;

    "PUT" "session/create" session::create;
    "PUT" "session/destroy/" session::destroy;
    "PUT" "session/renew/" session::renew;
    "GET" "session/info/" session::info;
    "GET" "session/node/" session::of_node;
    "GET" "session/list" session::list;

    "GET" "status/leader" status::leader;
    "GET" "status/peers" status::peers;
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
