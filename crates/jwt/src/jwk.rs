//! Keys as servers tell them (JWK, RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::{Algorithm, Key, KeyError};

/// Keys of one set.
pub const MOST_KEYS: usize = 128;

/// The keys of somebody who signs tokens.
#[derive(Clone, Debug, Default)]
pub struct JwkSet(Vec<(String, Key)>);

impl JwkSet {
    /// Reads a set. Keys of kinds that are not known here, and those that are not for signatures, are left
    /// out.
    ///
    /// # Errors
    /// It is none, it has too many keys, or none that is of use.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let set: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|_| KeyError::new("it is no JSON object"))?;
        let list = set.get("keys").and_then(Value::as_array);
        let list = list.ok_or_else(|| KeyError::new("it has no list `keys`"))?;
        if list.len() > MOST_KEYS {
            return Err(KeyError::new(format!("at most {MOST_KEYS} keys of a set are allowed")));
        }
        let keys: Vec<_> = list.iter().filter_map(key).collect();
        if keys.is_empty() {
            return Err(KeyError::new("none of its keys is for signatures that are known here"));
        }
        Ok(Self(keys))
    }

    /// Whether there is a key of that id.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(it, _)| it == id)
    }

    /// The keys that may have signed a token that says it was that one; any, if it says nothing.
    pub fn named<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Key> {
        self.0.iter().filter(move |(it, _)| id.is_empty() || it == id).map(|(_, key)| key)
    }
}

fn key(value: &Value) -> Option<(String, Key)> {
    let word = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(word(name).trim_end_matches('=')).ok();
    if !matches!(word("use"), "" | "sig") {
        return None;
    }
    if !word("alg").is_empty() && Algorithm::named(word("alg")).is_none() {
        return None;
    }
    let key = match (word("kty"), word("crv")) {
        ("RSA", _) => Key::rsa(&bytes("n")?, &bytes("e")?),
        ("EC", curve) => {
            let length = match curve {
                "P-256" => 32,
                "P-384" => 48,
                _ => return None,
            };
            let (x, y) = (bytes("x")?, bytes("y")?);
            if x.len() != length || y.len() != length {
                return None;
            }
            Key::point(&[&[4], &x[..], &y[..]].concat())
        }
        ("OKP", "Ed25519") => Key::ed25519(&bytes("x")?),
        _ => return None,
    };
    Some((word("kid").to_owned(), key.ok()?))
}
