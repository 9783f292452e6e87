//! Public keys that others tell, kept for some time. Of one method they are fetched once at a time, and
//! seldom: who logs in with what nobody signed cannot have a server ask another one again and again. So a
//! fetch is a task of its own: it goes on if who asked hangs up, and who does not need it waits for nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jwt::JwkSet;
use node::probe::{Fetch, Networks, fetch};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;
use types::limits;

use super::proof::{NotLetIn, cut};
use super::way::Look;

/// Bytes of a set of keys, or of what a provider says of itself.
pub(super) const BYTES: usize = 256 << 10;
/// How long servers may take that tell keys, all of them together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Keys are asked for again after this, so that those that were taken back do not count for ever.
pub(super) const FRESH: Duration = Duration::from_secs(300);
/// So long they do if nobody answers.
pub(super) const KEPT: Duration = Duration::from_secs(1_800);
/// Between two questions, for a key that is not known or after a failure.
const AGAIN: Duration = Duration::from_secs(5);

/// What a client is told without any.
const NO_KEYS: &str = "the keys could not be fetched";

/// From where keys are told.
#[derive(Clone)]
pub(super) enum Origin {
    /// A set of keys itself.
    Set(Fetch),
    /// A provider of OpenID Connect, which says where its set is.
    Provider(Fetch),
}

#[derive(Default)]
struct Known {
    set: Option<(Arc<JwkSet>, Instant)>,
    /// When it was asked last. Written before that is done: nothing that happens meanwhile undoes it.
    asked: Option<Instant>,
    /// Why there was no answer, if there was none.
    why: String,
    /// Of who asks; its other end is gone when that is over, however it ended.
    asking: Option<watch::Receiver<()>>,
}

impl Known {
    /// Keys that need not be asked for again, with that of this id.
    fn fresh(&self, id: &str, now: Instant) -> Option<&Arc<JwkSet>> {
        let (set, at) = self.set.as_ref()?;
        let is_fresh = now.saturating_duration_since(*at) < FRESH;
        (is_fresh && (id.is_empty() || set.has(id))).then_some(set)
    }

    fn may_ask(&self, now: Instant) -> bool {
        let is_over = self.asking.as_ref().is_none_or(|asking| asking.has_changed().is_err());
        let last = self.asked.map(|at| now.saturating_duration_since(at));
        is_over && last.is_none_or(|age| age >= AGAIN)
    }

    fn answer(&self, now: Instant) -> Result<Arc<JwkSet>, NotLetIn> {
        match &self.set {
            Some((set, at)) if now.saturating_duration_since(*at) < KEPT => Ok(Arc::clone(set)),
            _ => Err(NotLetIn::inside(NO_KEYS, &self.why)),
        }
    }
}

/// The keys of all methods.
#[derive(Default)]
pub(in crate::consul) struct KeySets(Mutex<BTreeMap<String, Slot>>);

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
        self.get_at(look, origin, id, Instant::now()).await
    }

    /// The same, at some time.
    pub(super) async fn get_at(
        &self,
        look: &Look<'_>,
        origin: &Origin,
        id: &str,
        now: Instant,
    ) -> Result<Arc<JwkSet>, NotLetIn> {
        let slot = self.slot(look.method);
        let asking = {
            let mut known = slot.lock();
            if let Some(set) = known.fresh(id, now) {
                return Ok(Arc::clone(set));
            }
            if known.may_ask(now) {
                known.asked = Some(now);
                known.asking = Some(ask(look, origin, Arc::clone(&slot)));
            }
            known.asking.clone()
        };
        if let Some(mut asking) = asking {
            // Nothing is ever sent: it ends with whoever asks.
            while asking.changed().await.is_ok() {}
        }
        slot.lock().answer(now)
    }
}

/// Asks, also if nobody waits for that any more.
fn ask(look: &Look<'_>, origin: &Origin, slot: Arc<Mutex<Known>>) -> watch::Receiver<()> {
    let (running, asking) = watch::channel(());
    let (method, networks) = (look.method.0.to_owned(), look.networks.clone());
    let origin = origin.clone();
    tokio::spawn(async move {
        let came = timeout(PATIENCE, fetched(&networks, &origin)).await;
        let late = |_| Err(format!("no answer in {} ms", PATIENCE.as_millis()));
        match came.unwrap_or_else(late) {
            Ok(set) => {
                let mut known = slot.lock();
                known.set = Some((Arc::new(set), Instant::now()));
                known.why.clear();
            }
            Err(why) => {
                let why = cut(&why);
                tracing::warn!(method, why, "{NO_KEYS}");
                slot.lock().why = why;
            }
        }
        drop(running);
    });
    asking
}

async fn answer(networks: &Networks, asked: &Fetch) -> Result<bytes::Bytes, String> {
    match fetch(asked, PATIENCE, networks).await? {
        (200, body) => Ok(body),
        (status, _) => Err(format!("{}: status {status}", asked.url)),
    }
}

async fn fetched(networks: &Networks, origin: &Origin) -> Result<JwkSet, String> {
    let set = match origin {
        Origin::Set(set) => set.clone(),
        Origin::Provider(provider) => {
            let base = provider.url.trim_end_matches('/');
            let url = format!("{base}/.well-known/openid-configuration");
            let said = answer(networks, &Fetch { url, ..provider.clone() }).await?;
            let said: Value = serde_json::from_slice(&said).unwrap_or_default();
            set_of(provider, &said)?
        }
    };
    let body = answer(networks, &set).await?;
    JwkSet::parse(&body).map_err(|error| format!("{}: {error}", set.url))
}

/// Where a provider's set is, by what it says of itself.
pub(super) fn set_of(provider: &Fetch, said: &Value) -> Result<Fetch, String> {
    let word = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
    // Else somebody could speak for another provider.
    if word("issuer") != provider.url {
        let (url, issuer) = (&provider.url, word("issuer"));
        return Err(format!("{url}: it calls itself {issuer:?}"));
    }
    let set = Fetch { url: word("jwks_uri").to_owned(), ..provider.clone() };
    // Whoever is between here and there could put in keys of its own.
    if provider.is_over_tls() && !set.is_over_tls() {
        return Err(format!("{}: its keys are not told over TLS: {:?}", provider.url, set.url));
    }
    Ok(set)
}
