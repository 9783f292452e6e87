//! The three parts of a token (RFC 7515, compact).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use types::limits;

use crate::{Algorithm, Claims, Key, Refused};

/// What somebody brings, taken apart. Nothing in it is true before a key says so.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    /// How it says it is signed.
    algorithm: Algorithm,
    /// Which key it says it is signed with; empty if it says nothing.
    key_id: String,
    /// What is signed.
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

fn object(part: &str, what: &'static str) -> Result<Map<String, Value>, Refused> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed(what))?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed(what))
}

impl<'a> Token<'a> {
    /// Takes a text apart.
    ///
    /// # Errors
    /// It is no token, or signed in a way that is not known here.
    pub fn parse(text: &'a str) -> Result<Self, Refused> {
        if text.len() > limits::ACL_BEARER_BYTES {
            return Err(Refused::TooLong(text.len()));
        }
        let parts = || Refused::Malformed("it has not three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(parts)?;
        let (header, claims) = signed.split_once('.').ok_or_else(parts)?;
        if claims.contains('.') {
            return Err(parts());
        }
        let header = object(header, "its header is no JSON object in base64url")?;
        // What it says must be understood (RFC 7515, 4.1.11), and nothing of that kind is.
        if header.contains_key("crit") {
            return Err(Refused::Malformed("it wants extensions that are not known"));
        }
        let word = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
        let algorithm = Algorithm::named(word("alg"));
        let named = || Refused::Algorithm(word("alg").chars().take(32).collect());
        let signature = URL_SAFE_NO_PAD.decode(signature);
        Ok(Self {
            algorithm: algorithm.ok_or_else(named)?,
            key_id: word("kid").to_owned(),
            signed,
            signature: signature
                .map_err(|_| Refused::Malformed("its signature is no base64url"))?,
            claims: object(claims, "its claims are no JSON object in base64url")?,
        })
    }

    /// Which key it says it is signed with; empty if it says nothing.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What it says, if one of these keys signed it, in one of these ways; in any that fits the key, if none
    /// is named.
    ///
    /// # Errors
    /// None did.
    pub fn verify<'b>(
        self,
        keys: impl IntoIterator<Item = &'b Key>,
        wanted: &[Algorithm],
    ) -> Result<Claims, Refused> {
        if !wanted.is_empty() && !wanted.contains(&self.algorithm) {
            return Err(Refused::Algorithm(format!("{:?}", self.algorithm).to_uppercase()));
        }
        let message = self.signed.as_bytes();
        let mut keys = keys.into_iter();
        if keys.any(|key| key.verifies(self.algorithm, message, &self.signature)) {
            return Ok(Claims(self.claims));
        }
        Err(Refused::Signature)
    }
}
