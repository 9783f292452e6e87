//! Every route, with no token, a wrong one, a narrow one that may do everything with what is called `mine`,
//! and that of who may do everything. What each is told is in `testdata/acl_routes.txt`; `UPDATE=1` writes
//! it. Nothing changes before the last one asks, and what is to be hidden is told to that one only.

use std::fmt::Write;
use std::path::Path;

use serde_json::json;

use super::ask::{Came, ROOT, ask, do_it, dump, fill, start, token};
use super::requests::{about, method_named};
use crate::server::Server;

const NARROW: &str = r#"
key_prefix "mine" { policy = "write" }
service_prefix "mine" { policy = "write" }
node_prefix "mine" { policy = "write" }
session_prefix "mine" { policy = "write" }
event_prefix "mine" { policy = "write" }
query_prefix "mine" { policy = "write" }
"#;

/// Methods and paths, as the sources have them.
fn routes() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/consul/routes.rs");
    let text = std::fs::read_to_string(file).unwrap();
    let row = |line: &str| {
        let (rights, rest) = line.trim().split_once(" \"")?;
        let is_one = |word: &str| word.starts_with(|first: char| first.is_ascii_uppercase());
        let (user, token) = rights.split_once(' ')?;
        if !is_one(user) || !is_one(token) || token.contains(' ') {
            return None;
        }
        let mut words = rest.split('"');
        let (method, path) = (words.next()?, words.nth(1)?);
        rest.ends_with(';').then(|| (method.to_owned(), path.to_owned()))
    };
    text.lines().filter_map(row).collect()
}

struct Ids(Vec<(String, String)>);

impl Ids {
    async fn find(server: &Server) -> Self {
        let mut all = Vec::new();
        let policy = do_it(server, "PUT /v1/acl/policy", json!({ "Name": "spare" })).await;
        let role = do_it(server, "PUT /v1/acl/role", json!({ "Name": "spare" })).await;
        let spare = do_it(server, "PUT /v1/acl/token", json!({ "Description": "spare" })).await;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        all.push(("policy".to_owned(), text(&policy["ID"])));
        all.push(("role".to_owned(), text(&role["ID"])));
        all.push(("token".to_owned(), text(&spare["AccessorID"])));
        let method = serde_json::from_str(&method_named("spare")).unwrap();
        do_it(server, "PUT /v1/acl/auth-method", method).await;
        let rule = json!({ "AuthMethod": "spare", "BindType": "service", "BindName": "web" });
        let rule = do_it(server, "PUT /v1/acl/binding-rule", rule).await;
        all.push(("rule".to_owned(), text(&rule["ID"])));
        for name in ["mine", "other"] {
            let path = format!("GET /v1/session/node/{name}");
            let sessions = do_it(server, &path, serde_json::Value::Null).await;
            all.push((format!("session {name}"), text(&sessions[0]["ID"])));
            let queries = do_it(server, "GET /v1/query", serde_json::Value::Null).await;
            let query = queries.as_array().unwrap().iter().find(|it| it["Name"] == name).unwrap();
            all.push((format!("query {name}"), text(&query["ID"])));
        }
        Self(all)
    }

    fn of(&self, what: &str) -> String {
        self.0.iter().find(|(name, _)| name == what).unwrap().1.clone()
    }
}

/// What is remarkable of an answer.
fn told(came: &Came) -> String {
    let mut told = came.status.to_string();
    if came.head.contains("x-consul-results-filtered-by-acls: true") {
        told.push('f');
    }
    if came.tells() {
        told.push('!');
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_shows_and_does_what_the_token_says() {
    let server = start(1).await.remove(0);
    fill(&server).await;
    let (_, narrow) = token(&server, "narrow", NARROW).await;
    let ids = Ids::find(&server).await;
    let before = dump(&server).await;
    let routes = routes();
    assert!(routes.len() > 90, "{}", routes.len());
    let mut out = String::from(
        "# Consul's routes about what is called `other`: with no token, with one that nobody has, with one\n\
         # that may do everything with what is called `mine`, and with that of who may do everything; then\n\
         # about `mine` with the narrow one. `f`: something was left out; `!`: what is to be hidden was \
         told.\n",
    );
    let mut rows = Vec::new();
    for (method, path) in &routes {
        let id = |what: &str| ids.of(what);
        let request = about(method, path, "other", &id);
        let (line, body) = request
            .unwrap_or_else(|| panic!("a route that nobody has thought about: {method} {path}"));
        let mut row = format!("{method} {path}:");
        for token in [None, Some("nobody's"), Some(&*narrow)] {
            let came = ask(&server, &line, token, &body).await;
            assert!(!came.tells(), "{line} with {token:?}: {came:?}");
            assert_ne!(came.status, 0, "{line}");
            write!(row, " {}", told(&came)).unwrap();
        }
        rows.push(row);
    }
    let after = dump(&server).await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after, "somebody changed what was not theirs");
    }
    // As root; what removes something comes last.
    let mut order: Vec<usize> = (0..routes.len()).collect();
    order.sort_by_key(|at| {
        let (method, path) = &routes[*at];
        (method == "DELETE" || path.contains("deregister") || path.contains("destroy"), *at)
    });
    let mut asked = vec![String::new(); routes.len()];
    for who in ["root", "narrow"] {
        let (name, secret) = if who == "root" { ("other", ROOT) } else { ("mine", &*narrow) };
        for at in &order {
            let (method, path) = &routes[*at];
            let id = |what: &str| ids.of(what);
            let (line, body) = about(method, path, name, &id).unwrap();
            let came = ask(&server, &line, Some(secret), &body).await;
            assert!(who == "root" || !came.tells(), "{line} with {who}: {came:?}");
            let refused = came.status == 403 && !came.body.contains("bootstrap no longer");
            // They say who asks by themselves.
            let is_login = ["acl/login", "acl/logout"].contains(&&**path);
            assert!(who != "root" || !refused || is_login, "{line}: {came:?}");
            write!(asked[*at], " {}", told(&came)).unwrap();
        }
    }
    for (row, asked) in rows.iter().zip(&asked) {
        writeln!(out, "{row}{asked}").unwrap();
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/acl_routes.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &out).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap();
    for (wanted, out) in wanted.lines().zip(out.lines()) {
        assert_eq!(wanted, out);
    }
    assert_eq!(wanted.lines().count(), out.lines().count());
    server.stop().await;
}
