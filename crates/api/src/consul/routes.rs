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

/// What the holder of a token needs, where the ACL is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenRights {
    /// Nothing.
    Open,
    /// What it reads goes through a view of what may be seen, what it changes through the node's door.
    Itself,
    AgentRead,
    AgentWrite,
    OperatorRead,
    OperatorWrite,
    KeyringRead,
    KeyringWrite,
    /// All of it is read, or written over.
    Everything,
}
use TokenRights::{
    AgentRead, AgentWrite, Everything, Itself, KeyringRead, KeyringWrite, Open, OperatorRead,
    OperatorWrite,
};

/// One route. A path that ends with `/` has something behind it.
pub(super) struct Route {
    pub(super) methods: &'static str,
    pub(super) path: &'static str,
    /// Of one of etcd's users.
    pub(super) rights: Rights,
    /// Of the holder of one of Consul's tokens.
    pub(super) token: TokenRights,
    pub(super) run: for<'a> fn(&'a Asked) -> BoxFuture<'a, Outcome>,
}

macro_rules! routes {
    ($($rights:ident $token:ident $methods:literal $path:literal $($handler:ident)::+;)*) => {
        &[$(Route {
            methods: $methods,
            path: $path,
            rights: $rights,
            token: $token,
            run: |asked| Box::pin($($handler)::+(asked)),
        },)*]
    };
}

/// What is behind `/v1/`.
const ROUTES: &[Route] = routes! {
    Keys Itself "GET" "kv/" kv::get;
    Keys Itself "PUT" "kv/" kv::put;
    Keys Itself "DELETE" "kv/" kv::delete;
    Keys Itself "PUT" "txn" txn::txn;

    User AgentRead "GET" "agent/self" agent::self_;
    User Itself "GET" "agent/members" agent::members;
    Read Itself "GET" "agent/services" agent::services;
    Read Itself "GET" "agent/service/" agent::service;
    Read Itself "GET" "agent/checks" agent::checks;
    Write Itself "PUT" "agent/service/register" agent::register;
    Write Itself "PUT" "agent/service/deregister/" agent::deregister;
    Write Itself "PUT" "agent/service/maintenance/" agent::service_maintenance;
    Write Itself "PUT" "agent/maintenance" agent::node_maintenance;
    Write Itself "PUT" "agent/check/register" agent::register_check;
    Write Itself "PUT" "agent/check/deregister/" agent::deregister_check;
    Write Itself "PUT" "agent/check/pass/" agent::pass;
    Write Itself "PUT" "agent/check/warn/" agent::warn;
    Write Itself "PUT" "agent/check/fail/" agent::fail;
    Write Itself "PUT" "agent/check/update/" agent::update;
    Read Itself "GET" "agent/health/service/id/" agent::service_by_id;
    Read Itself "GET" "agent/health/service/name/" agent::service_by_name;
    User AgentRead "GET" "agent/metrics" agent::metrics;
    User Open "GET" "agent/version" agent::version;
    User OperatorRead "GET" "agent/host" agent::host_info;
    Write AgentRead "GET" "agent/monitor" agent::monitor;
    Write AgentWrite "PUT" "agent/join/" agent::join;
    Write AgentWrite "PUT" "agent/leave" agent::leave;
    Write OperatorWrite "PUT" "agent/force-leave/" agent::force_leave;
    Write AgentWrite "PUT" "agent/reload" agent::reload;
    // It says in whose name everybody asks who brings no token.
    Root Everything "PUT" "agent/token/" acl::agent_token;

    // Once, by whoever is first.
    Nobody Open "PUT" "acl/bootstrap" acl::bootstrap;
    User Itself "GET" "acl/tokens" acl::tokens;
    User Itself "PUT" "acl/token" acl::create_token;
    User Itself "GET" "acl/token/" acl::token;
    User Itself "PUT" "acl/token/" acl::update_token;
    User Itself "DELETE" "acl/token/" acl::delete_token;
    User Itself "GET" "acl/policies" acl::policies;
    User Itself "PUT" "acl/policy" acl::create_policy;
    User Itself "GET" "acl/policy/name/" acl::policy_named;
    User Itself "GET" "acl/policy/" acl::policy;
    User Itself "PUT" "acl/policy/" acl::update_policy;
    User Itself "DELETE" "acl/policy/" acl::delete_policy;
    User Itself "GET" "acl/roles" acl::roles;
    User Itself "PUT" "acl/role" acl::create_role;
    User Itself "GET" "acl/role/name/" acl::role_named;
    User Itself "GET" "acl/role/" acl::role;
    User Itself "PUT" "acl/role/" acl::update_role;
    User Itself "DELETE" "acl/role/" acl::delete_role;
    User Itself "GET" "acl/auth-methods" acl::methods;
    User Itself "PUT" "acl/auth-method" acl::create_method;
    User Itself "GET" "acl/auth-method/" acl::method;
    User Itself "PUT" "acl/auth-method/" acl::update_method;
    User Itself "DELETE" "acl/auth-method/" acl::delete_method;
    User Itself "GET" "acl/binding-rules" acl::bindings;
    User Itself "PUT" "acl/binding-rule" acl::create_binding;
    User Itself "GET" "acl/binding-rule/" acl::binding;
    User Itself "PUT" "acl/binding-rule/" acl::update_binding;
    User Itself "DELETE" "acl/binding-rule/" acl::delete_binding;
    // By whoever somebody vouches for; and what that came to is given back by its token.
    Nobody Open "POST" "acl/login" acl::login;
    Nobody Open "POST" "acl/logout" acl::logout;
    User Itself "GET" "acl/templated-policies" acl::templates;
    User Itself "GET" "acl/templated-policy/name/" acl::template;
    User Itself "POST" "acl/templated-policy/preview/" acl::preview;
    User Itself "POST" "internal/acl/authorize" acl::authorize;
    // Of Consul's, what is not here: rules of before 1.4, replication.
    User Itself "GET" "acl/" acl::not_here;
    User Itself "PUT" "acl/" acl::not_here;
    User Itself "POST" "acl/" acl::not_here;
    User Itself "DELETE" "acl/" acl::not_here;

    User Open "GET" "catalog/datacenters" catalog::datacenters;
    Read Itself "GET" "catalog/nodes" catalog::nodes;
    Read Itself "GET" "catalog/services" catalog::services;
    Read Itself "GET" "catalog/service/" catalog::service;
    Read Itself "GET" "catalog/connect/" catalog::nothing;
    Read Itself "GET" "catalog/gateway-services/" catalog::nothing;
    Read Itself "GET" "catalog/node/" catalog::node;
    Read Itself "GET" "catalog/node-services/" catalog::node_services;
    Write Itself "PUT" "catalog/register" catalog::register;
    Write Itself "PUT" "catalog/deregister" catalog::deregister;

    Read Itself "GET" "health/service/" health::service;
    Read Itself "GET" "health/connect/" catalog::nothing;
    Read Itself "GET" "health/ingress/" catalog::nothing;
    Read Itself "GET" "health/node/" health::node;
    Read Itself "GET" "health/checks/" health::checks;
    Read Itself "GET" "health/state/" health::state;

    Write Itself "PUT" "session/create" session::create;
    Write Itself "PUT" "session/destroy/" session::destroy;
    Write Itself "PUT" "session/renew/" session::renew;
    Read Itself "GET" "session/info/" session::info;
    Read Itself "GET" "session/node/" session::of_node;
    Read Itself "GET" "session/list" session::list;

    Nobody Open "GET" "status/leader" status::leader;
    Nobody Open "GET" "status/peers" status::peers;

    Write Itself "PUT" "event/fire/" event::fire;
    // Spring posts them.
    Write Itself "POST" "event/fire/" event::fire;
    Read Itself "GET" "event/list" event::list;

    Read Itself "GET" "query" query::list;
    Write Itself "POST" "query" query::create;
    Read Itself "GET" "query/" query::get;
    Write Itself "PUT" "query/" query::update;
    Write Itself "DELETE" "query/" query::remove;

    Write Itself "PUT" "config" config::set;
    Read Itself "GET" "config/" config::get;
    Write Itself "DELETE" "config/" config::remove;

    Read Open "GET" "coordinate/datacenters" coordinate::datacenters;
    Read Itself "GET" "coordinate/nodes" coordinate::nodes;
    Read Itself "GET" "coordinate/node/" coordinate::node;
    Write Itself "PUT" "coordinate/update" coordinate::update;

    Root Everything "GET" "snapshot" snapshot::save;
    Root Everything "PUT" "snapshot" snapshot::restore;

    User OperatorRead "GET" "operator/raft/configuration" operator::raft_configuration;
    Write OperatorWrite "DELETE" "operator/raft/peer" operator::remove_peer;
    Write OperatorWrite "POST" "operator/raft/transfer-leader" operator::transfer_leader;
    Read OperatorRead "GET" "operator/autopilot/configuration" autopilot::configuration;
    Root OperatorWrite "PUT" "operator/autopilot/configuration" autopilot::configure;
    User OperatorRead "GET" "operator/autopilot/health" operator::autopilot_health;
    User OperatorRead "GET" "operator/autopilot/state" operator::autopilot_state;
    Read KeyringRead "GET" "operator/keyring" operator::keyring;
    Write KeyringWrite "POST" "operator/keyring" operator::keyring;
    Write KeyringWrite "PUT" "operator/keyring" operator::keyring;
    Write KeyringWrite "DELETE" "operator/keyring" operator::keyring;
    Read OperatorRead "GET" "operator/usage" operator::usage;
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

/// The route of `path`, which is what follows `/v1/`, and whether something follows it, by their names.
pub(crate) fn route(method: &str, path: &str) -> Option<(&'static str, bool)> {
    match find(method, path) {
        Found::Route(route, _) => Some((route.path, route.path.ends_with('/'))),
        Found::OtherMethod(_) | Found::Nothing => None,
    }
}

/// Whether a request, whose path is whole, is about the cluster and not only read: found as its route is, so
/// that no other way to write a path is another request.
pub(crate) fn is_management(method: &str, path: &str) -> bool {
    let Some(Found::Route(route, _)) = path.strip_prefix("/v1/").map(|path| find(method, path))
    else {
        return false;
    };
    // Also reading it takes everything along.
    route.path == "snapshot"
        || !matches!(method, "GET" | "HEAD")
            && (route.path.starts_with("operator/")
                || matches!(route.path, "agent/force-leave/" | "agent/token/"))
}

#[cfg(test)]
mod tests {
    use super::{Found, ROUTES, find, is_management};

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
    fn what_runs_the_cluster_is_known_however_its_path_is_written() {
        for (method, path) in [
            ("GET", "snapshot"),
            ("GET", "snapshot/"),
            ("HEAD", "snapshot/"),
            ("PUT", "snapshot/"),
            ("PUT", "agent/force-leave/n1"),
            ("PUT", "agent/token/default"),
            ("PUT", "operator/autopilot/configuration/"),
        ] {
            assert!(is_management(method, &format!("/v1/{path}")), "{method} {path}");
        }
        for (method, path) in [
            ("GET", "operator/autopilot/configuration"),
            ("HEAD", "operator/autopilot/configuration"),
            ("PUT", "operator/nothing"),
            ("POST", "snapshot"),
            ("PUT", "kv/snapshot"),
        ] {
            assert!(!is_management(method, &format!("/v1/{path}")), "{method} {path}");
        }
        assert!(!is_management("GET", "/snapshot"));
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
