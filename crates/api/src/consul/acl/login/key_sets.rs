//! Public keys that others tell, kept for some time. Of one method they are fetched once at a time, and
//! seldom: who logs in with what nobody signed cannot have a server ask another one again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwt::JwkSet;
use node::probe::{Fetch, fetch};
use serde_json::Value;
use tokio::sync::Mutex;
use types::limits;

use super::proof::NotLetIn;
use super::way::Look;

/// Bytes of a set of keys, or of what a provider says of itself.
pub(super) const BYTES: usize = 256 << 10;
/// How long a server may take that tells keys.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keys are asked for again after this, so that those that were taken back do not count for ever.
const FRESH: Duration = Duration::from_secs(300);
/// So long they do if nobody answers.
const KEPT: Duration = Duration::from_secs(1_800);
/// Between two questions, for a key that is not known or after a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// From where keys are told.
pub(super) enum Origin {
    /// A set of keys itself.
    Set(Fetch),
    /// A provider of OpenID Connect, which says where its set is.
    Provider(Fetch),
}

#[derive(Default)]
struct Known {
    set: Option<(Arc<JwkSet>, Instant)>,
    /// When it was asked last, and why there is no answer, if there is none.
    asked: Option<(Instant, String)>,
}

/// The keys of all methods.
#[derive(Default)]
pub(in crate::consul) struct KeySets(parking_lot::Mutex<BTreeMap<String, Slot>>);

struct Slot {
    /// A configuration that was changed has other keys.
    changed: u64,
    known: Arc<Mutex<Known>>,
}

impl KeySets {
    fn slot(&self, (method, changed): (&str, u64)) -> Arc<Mutex<Known>> {
        let mut all = self.0.lock();
        if let Some(slot) = all.get(method).filter(|slot| slot.changed == changed) {
            return Arc::clone(&slot.known);
        }
        // Some are of methods that were removed.
        if all.len() >= limits::ACL_AUTH_METHODS {
            all.clear();
        }
        let known = Arc::default();
        all.insert(method.to_owned(), Slot { changed, known: Arc::clone(&known) });
        known
    }

    /// The keys of a method, with that of this id if there is one.
    pub(super) async fn get(
        &self,
        look: &Look<'_>,
        origin: &Origin,
        id: &str,
    ) -> Result<Arc<JwkSet>, NotLetIn> {
        let slot = self.slot(look.method);
        let mut known = slot.lock().await;
        let now = Instant::now();
        let age = |at: &Instant| now.saturating_duration_since(*at);
        if let Some((set, at)) = &known.set
            && age(at) < FRESH
            && (id.is_empty() || set.has(id))
        {
            return Ok(Arc::clone(set));
        }
        if known.asked.as_ref().is_none_or(|(at, _)| age(at) >= AGAIN) {
            let came = fetched(look, origin).await;
            let at = Instant::now();
            known.asked = Some((at, came.as_ref().err().cloned().unwrap_or_default()));
            match came {
                Ok(set) => known.set = Some((Arc::new(set), at)),
                Err(why) => {
                    tracing::warn!(method = look.method.0, why, "keys could not be fetched");
                }
            }
        }
        match (&known.set, &known.asked) {
            (Some((set, at)), _) if at.elapsed() < KEPT => Ok(Arc::clone(set)),
            (_, Some((_, why))) => Err(NotLetIn(format!("error fetching keys: {why}"))),
            _ => Err("error fetching keys".into()),
        }
    }
}

async fn answer(look: &Look<'_>, asked: &Fetch) -> Result<bytes::Bytes, String> {
    match fetch(asked, PATIENCE, look.networks).await? {
        (200, body) => Ok(body),
        (status, _) => Err(format!("{}: status {status}", asked.url)),
    }
}

async fn fetched(look: &Look<'_>, origin: &Origin) -> Result<JwkSet, String> {
    let set = match origin {
        Origin::Set(set) => set.clone(),
        Origin::Provider(provider) => {
            let base = provider.url.trim_end_matches('/');
            let url = format!("{base}/.well-known/openid-configuration");
            let said = answer(look, &Fetch { url, ..provider.clone() }).await?;
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            let word = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
            // Else somebody could speak for another provider.
            if word("issuer") != provider.url {
                let (url, issuer) = (&provider.url, word("issuer"));
                return Err(format!("{url}: it calls itself {issuer:?}"));
            }
            Fetch { url: word("jwks_uri").to_owned(), ..provider.clone() }
        }
    };
    let body = answer(look, &set).await?;
    JwkSet::parse(&body).map_err(|error| format!("{}: {error}", set.url))
}
