//! Consul's tokens on this node: what a secret is kept as, and what the rules of a token come to.

use std::collections::BTreeMap;
use std::sync::Arc;

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};
use parking_lot::Mutex;
use state::auth::acl::{ANONYMOUS_TOKEN, AclId, Authorizer};
use state::auth::{Auth, Secret};
use types::limits;

/// Tokens whose rules are kept put together.
const KEPT: usize = 4_096;
/// What the holder of no token may say it has.
pub(crate) const ANONYMOUS: &str = "anonymous";
/// So that no hash of anything else is one of a secret.
const DOMAIN: &[u8] = b"hiraeth acl secret";

type Hasher = Blake2bMac<U32>;

/// What is kept of a token's secret. Secrets are random, so one hash is enough; whoever chooses one is told
/// to choose a long one.
pub(crate) fn hash_of(secret: impl AsRef<[u8]>) -> Secret {
    let Ok(hasher) = Hasher::new_from_slice(DOMAIN) else { return Secret::default() };
    Secret(hasher.chain_update(secret).finalize().into_bytes().to_vec().into())
}

/// The rules of tokens, put together once for all requests of a token.
#[derive(Default)]
pub(crate) struct Authorizers(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Of which change.
    changes: u64,
    all: BTreeMap<AclId, Arc<Authorizer>>,
}

impl Authorizers {
    /// What the holder of a secret may do; `None` if it is nobody's, or its time is over.
    pub(crate) fn of_secret(
        &self,
        auth: &Auth,
        secret: &str,
        datacenter: &str,
        now_ms: u64,
    ) -> Option<Arc<Authorizer>> {
        if secret.is_empty() || secret.len() > limits::ACL_SECRET_BYTES {
            return None;
        }
        let id = auth.acl.token_of(&hash_of(secret))?;
        self.of(auth, id, datacenter, now_ms)
    }

    /// What nobody in particular may do.
    pub(crate) fn of_nobody(
        &self,
        auth: &Auth,
        datacenter: &str,
        now_ms: u64,
    ) -> Option<Arc<Authorizer>> {
        self.of(auth, ANONYMOUS_TOKEN, datacenter, now_ms)
    }

    fn of(&self, auth: &Auth, id: &str, datacenter: &str, now_ms: u64) -> Option<Arc<Authorizer>> {
        // Its end comes by the clock, not by a change.
        if !auth.acl.tokens.get(id)?.lives_at(now_ms) {
            return None;
        }
        {
            let mut known = self.0.lock();
            if known.changes != auth.changes || known.all.len() >= KEPT {
                known.all.clear();
                known.changes = auth.changes;
            }
            if let Some(found) = known.all.get(id) {
                return Some(Arc::clone(found));
            }
        }
        let made = Arc::new(auth.acl.authorizer(id, datacenter, now_ms)?);
        let mut known = self.0.lock();
        if known.changes == auth.changes {
            known.all.insert(AclId::clone(&made.token), Arc::clone(&made));
        }
        Some(made)
    }
}
