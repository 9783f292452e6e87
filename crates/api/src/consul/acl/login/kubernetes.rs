//! Auth methods of type `kubernetes`: the cluster that a pod runs in says whose its service account is.

use std::collections::BTreeMap;
use std::time::Duration;

use node::probe::{Fetch, Networks, fetch};
use serde_json::{Value, json};
use types::limits;

use super::proof::{NotLetIn, Proof};
use super::settings;
use crate::consul::filter::shape::Shape;

/// What selectors can select.
pub(super) static SHAPE: Shape = Shape::Struct(&[(
    "serviceaccount",
    Shape::Struct(&[("namespace", Shape::Text), ("name", Shape::Text), ("uid", Shape::Text)]),
)]);
/// What names can be made of.
pub(super) const VARIABLES: [&str; 3] =
    ["serviceaccount.namespace", "serviceaccount.name", "serviceaccount.uid"];

const FIELDS: &[&str] = &["Host", "CACert", "ServiceAccountJWT"];
/// By which a service account says that its pods are called otherwise.
const CALLED: &str = "consul.hashicorp.com/service-name";
/// Bytes of what Kubernetes answers: a review has the token in it again.
const BYTES: usize = 256 << 10;
/// What a client is told if Kubernetes does not say who it is.
const FAILED: &str = "lookup failed";
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The configuration, read.
pub(in crate::consul::acl) struct KubernetesMethod {
    /// Everything is asked as this is, at other paths.
    ask: Fetch,
}

impl KubernetesMethod {
    pub(super) fn of(config: &Value) -> Result<Self, String> {
        let input = settings::of(config, FIELDS)?;
        let text = |field: &str| match settings::text(&input, field) {
            Ok(text) if text.is_empty() => Err(format!("Config.{field} is required")),
            other => other,
        };
        let host = text("Host")?;
        let host = host.trim_end_matches('/');
        let url = if host.contains("://") { host.to_owned() } else { format!("https://{host}") };
        text("CACert")?;
        let authorities = settings::authorities(&input, "CACert")?;
        let bearer = text("ServiceAccountJWT")?;
        if bearer.split('.').count() != 3 || bearer.len() > limits::ACL_BEARER_BYTES {
            return Err("Config.ServiceAccountJWT is not a valid JWT".to_owned());
        }
        let ask = Fetch { url, bearer, authorities, most: BYTES, body: String::new() };
        ask.check()?;
        // Tokens are sent there, by which whoever listens could do what their holders may.
        if !ask.is_over_tls() && !ask.is_to_loopback() {
            return Err("Config.Host is asked over https:// only, unless it is a loopback address"
                .to_owned());
        }
        Ok(Self { ask })
    }

    /// Asks Kubernetes; answers with what it says, if all went well.
    async fn ask(&self, path: &str, body: String, networks: &Networks) -> Result<Value, NotLetIn> {
        let url = format!("{}{path}", self.ask.url);
        let ask = Fetch { url, body, ..self.ask.clone() };
        let failed = |why: String| NotLetIn::inside(FAILED, &why);
        let (status, body) = fetch(&ask, PATIENCE, networks).await.map_err(failed)?;
        if !(200..300).contains(&status) {
            return Err(failed(format!("{}: status {status}", ask.url)));
        }
        serde_json::from_slice(&body).map_err(|_| failed(format!("{}: no JSON", ask.url)))
    }

    pub(super) async fn prove(&self, bearer: &str, networks: &Networks) -> Result<Proof, NotLetIn> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": { "token": bearer },
        });
        let path = "/apis/authentication.k8s.io/v1/tokenreviews";
        let review = self.ask(path, review.to_string(), networks).await?;
        let word = |path: &str| review.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if !word("/status/error").is_empty() {
            return Err(NotLetIn::inside(FAILED, word("/status/error")));
        }
        if review.pointer("/status/authenticated") != Some(&Value::Bool(true)) {
            return Err("lookup failed: service account jwt not valid".into());
        }
        let parts: Vec<&str> = word("/status/user/username").split(':').collect();
        let ["system", "serviceaccount", namespace, name] = parts[..] else {
            return Err("lookup failed: username returned is not a service account".into());
        };
        let is_part = |text: &str| {
            let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
            !text.is_empty() && !text.starts_with('.') && text.bytes().all(is_one)
        };
        if !is_part(namespace) || !is_part(name) {
            return Err("lookup failed: unexpected username format".into());
        }
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}");
        let account = self.ask(&path, String::new(), networks).await?;
        let metadata = |name: &str| account.pointer("/metadata").and_then(|it| it.get(name));
        let uid = word("/status/user/uid");
        // One that was removed and made again is another one.
        if metadata("uid").and_then(Value::as_str).is_some_and(|now| now != uid) {
            return Err("lookup failed: the service account is another one now".into());
        }
        let called = metadata("annotations").and_then(|it| it.get(CALLED)).and_then(Value::as_str);
        Ok(proof(namespace, called.unwrap_or(name), uid))
    }
}

fn proof(namespace: &str, name: &str, uid: &str) -> Proof {
    let values = [namespace, name, uid].map(str::to_owned);
    let variables = VARIABLES.map(str::to_owned).into_iter().zip(values);
    let variables: BTreeMap<String, String> = variables.collect();
    let selectable = json!({
        "serviceaccount": { "namespace": namespace, "name": name, "uid": uid },
    });
    Proof { selectable, variables }
}
