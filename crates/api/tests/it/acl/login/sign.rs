//! Somebody who signs tokens, with a key of its own.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::super::ask::{Came, ask, do_it};
use crate::server::Server;

/// What stands before a point of P-256 in a public key.
const BEFORE: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
      \x03\x42\x00";

pub(super) struct Signer {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    id: String,
}

pub(super) fn part(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

impl Signer {
    pub(super) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(way, document.as_ref(), &random).unwrap();
        Self { pair, random, id: id.to_owned() }
    }

    pub(super) fn pem(&self) -> String {
        let key = STANDARD.encode([BEFORE, self.pair.public_key().as_ref()].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n")
    }

    pub(super) fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "x": part(x), "y": part(y) })
    }

    pub(super) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header.to_string()), part(claims.to_string()));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", part(signature))
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&json!({ "alg": "ES256", "kid": self.id }), claims)
    }

    /// A token that counts for an hour, with these claims besides.
    pub(super) fn token(&self, more: Value) -> String {
        let mut claims = json!({ "iss": "somebody", "aud": "hiraeth", "exp": now() + 3_600,
                                 "iat": now() });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.sign(&claims)
    }
}

/// A method that takes what this one signs.
pub(super) async fn method(server: &Server, name: &str, signer: &Signer) {
    let config = json!({
        "JWTValidationPubKeys": [signer.pem()],
        "BoundIssuer": "somebody",
        "BoundAudiences": ["hiraeth"],
        "ClaimMappings": { "team": "team", "/deep/place": "place" },
        "ListClaimMappings": { "groups": "groups" },
    });
    let method = json!({ "Name": name, "Type": "jwt", "Config": config });
    do_it(server, "PUT /v1/acl/auth-method", method).await;
}

pub(super) async fn rule(server: &Server, method: &str, kind: &str, name: &str, selector: &str) {
    let rule =
        json!({ "AuthMethod": method, "BindType": kind, "BindName": name, "Selector": selector });
    do_it(server, "PUT /v1/acl/binding-rule", rule).await;
}

pub(super) async fn login(server: &Server, method: &str, bearer: &str) -> Came {
    let body = json!({ "AuthMethod": method, "BearerToken": bearer });
    ask(server, "POST /v1/acl/login", None, &body.to_string()).await
}

/// The secret of who is let in.
pub(super) async fn let_in(server: &Server, method: &str, bearer: &str) -> String {
    let came = login(server, method, bearer).await;
    assert_eq!(came.status, 200, "{came:?}");
    came.json()["SecretID"].as_str().unwrap().to_owned()
}

/// How many tokens there are by a method.
pub(super) async fn tokens(server: &Server, method: &str) -> usize {
    let path = format!("GET /v1/acl/tokens?authmethod={method}");
    do_it(server, &path, Value::Null).await.as_array().unwrap().len()
}
