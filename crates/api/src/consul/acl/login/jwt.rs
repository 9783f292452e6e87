//! Auth methods of type `jwt`: who is who says somebody whose public key is known.

use std::collections::BTreeMap;

use jwt::{Algorithm, Bounds, Claims, Key, Leeways, Token};
use node::probe::Fetch;
use serde_json::{Value, json};

use super::key_sets::{BYTES, Origin};
use super::proof::{NotLetIn, Proof};
use super::settings;
use super::way::Look;
use crate::consul::filter::shape::Shape;

/// What selectors can select.
pub(super) static SHAPE: Shape =
    Shape::Struct(&[("value", Shape::Map(&Shape::Text)), ("list", Shape::Map(&Shape::Texts))]);

const FIELDS: &[&str] = &[
    "JWTValidationPubKeys",
    "JWTSupportedAlgs",
    "JWKSURL",
    "JWKSCACert",
    "OIDCDiscoveryURL",
    "OIDCDiscoveryCACert",
    "BoundAudiences",
    "BoundIssuer",
    "ClaimMappings",
    "ListClaimMappings",
    "ClockSkewLeeway",
    "ExpirationLeeway",
    "NotBeforeLeeway",
];

/// From where keys are.
enum Keys {
    Written(Vec<Key>),
    Fetched(Origin),
}

/// The configuration, read.
pub(in crate::consul::acl) struct JwtMethod {
    keys: Keys,
    algorithms: Vec<Algorithm>,
    bounds: Bounds,
    /// Claims, and what they are called here.
    texts: Vec<(String, String)>,
    lists: Vec<(String, String)>,
}

impl JwtMethod {
    pub(super) fn of(config: &Value) -> Result<Self, String> {
        let input = settings::of(config, FIELDS)?;
        let text = |field| settings::text(&input, field);
        let written = settings::texts(&input, "JWTValidationPubKeys")?;
        let (set, provider) = (text("JWKSURL")?, text("OIDCDiscoveryURL")?);
        let fetch = |url: String, certificate| -> Result<Fetch, String> {
            let authorities = settings::authorities(&input, certificate)?;
            let fetch = Fetch { url, authorities, most: BYTES, ..Fetch::default() };
            fetch.check().map(|()| fetch)
        };
        let keys = match (written.is_empty(), &*set, &*provider) {
            (false, "", "") => {
                let key = |text: &String| {
                    let wrong = |error| format!("error parsing public key: {error}");
                    jwt::key_in_pem(text).map_err(wrong)
                };
                Keys::Written(written.iter().map(key).collect::<Result<_, _>>()?)
            }
            (true, _, "") if !set.is_empty() => {
                Keys::Fetched(Origin::Set(fetch(set, "JWKSCACert")?))
            }
            (true, "", _) if !provider.is_empty() => {
                Keys::Fetched(Origin::Provider(fetch(provider.clone(), "OIDCDiscoveryCACert")?))
            }
            _ => {
                return Err("exactly one of 'JWTValidationPubKeys', 'JWKSURL', or \
                            'OIDCDiscoveryURL' must be set for type \"jwt\""
                    .to_owned());
            }
        };
        let algorithm = |name: &String| {
            let known = Algorithm::named(name);
            known.ok_or_else(|| {
                format!("unsupported signing algorithm {name:?}; there are {}", Algorithm::names())
            })
        };
        let algorithms = settings::texts(&input, "JWTSupportedAlgs")?;
        let plain = Leeways::default();
        let leeway = |field, default| settings::leeway(&input, field, default);
        let leeways = Leeways {
            skew: leeway("ClockSkewLeeway", plain.skew)?,
            expiration: leeway("ExpirationLeeway", plain.expiration)?,
            not_before: leeway("NotBeforeLeeway", plain.not_before)?,
        };
        let issuer = match text("BoundIssuer")? {
            none if none.is_empty() => provider,
            bound => bound,
        };
        let audiences = settings::texts(&input, "BoundAudiences")?;
        let method = Self {
            keys,
            algorithms: algorithms.iter().map(algorithm).collect::<Result<_, _>>()?,
            bounds: Bounds { issuer, audiences, leeways },
            texts: settings::pairs(&input, "ClaimMappings")?,
            lists: settings::pairs(&input, "ListClaimMappings")?,
        };
        for mappings in [&method.texts, &method.lists] {
            let mut names: Vec<&str> = mappings.iter().map(|(_, name)| &**name).collect();
            names.sort_unstable();
            if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(format!("two claims are mapped to {:?}", twice[0]));
            }
            let is_one = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            if let Some(name) = names.iter().find(|it| it.is_empty() || !it.bytes().all(is_one)) {
                return Err(format!(
                    "a claim is mapped to {name:?}; letters, digits, '_' and '-' are allowed"
                ));
            }
        }
        Ok(method)
    }

    pub(super) fn has_variable(&self, name: &str) -> bool {
        let name = name.strip_prefix("value.");
        name.is_some_and(|name| self.texts.iter().any(|(_, it)| it == name))
    }

    pub(super) async fn prove(&self, bearer: &str, look: &Look<'_>) -> Result<Proof, NotLetIn> {
        let refused = |why: jwt::Refused| NotLetIn::from(format!("error validating token: {why}"));
        let token = Token::parse(bearer).map_err(refused)?;
        let claims = match &self.keys {
            Keys::Written(keys) => token.verify(keys, &self.algorithms),
            Keys::Fetched(origin) => {
                let id = token.key_id().to_owned();
                let set = look.key_sets.get(look, origin, &id).await?;
                token.verify(set.named(&id), &self.algorithms)
            }
        };
        let claims = claims.map_err(refused)?;
        self.bounds.hold(&claims, look.now).map_err(refused)?;
        self.said(&claims).map_err(refused)
    }

    /// What of the claims has a name here.
    fn said(&self, claims: &Claims) -> Result<Proof, jwt::Refused> {
        let (mut values, mut lists) = (BTreeMap::new(), BTreeMap::new());
        for (claim, name) in &self.texts {
            if let Some(text) = claims.text(claim)? {
                values.insert(name.clone(), text);
            }
        }
        for (claim, name) in &self.lists {
            if let Some(texts) = claims.texts(claim)? {
                lists.insert(name.clone(), texts);
            }
        }
        let variables = values.iter().map(|(name, it)| (format!("value.{name}"), it.clone()));
        let variables = variables.collect();
        Ok(Proof { selectable: json!({ "value": values, "list": lists }), variables })
    }
}
