//! Tokens. Each says whose it is and carries a seal over it, made with a key that every node has from
//! the meta region: so every node takes it, also one that was started since.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake2::Blake2bMac;
use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac};
use env::Moment;
use parking_lot::Mutex;
use state::auth::Auth;
use types::Code;

use super::password::copy;

/// The first byte; another one stands for another form.
const VERSION: u8 = 1;
/// Bytes before the name: the form, the user's `since`, and when it ends, in milliseconds of 1970.
const HEAD: usize = 1 + 8 + 8;
const SEAL: usize = 16;
/// Characters of a token that is read at all.
const MOST: usize = 512;
/// Wall clocks of nodes may be apart by this part of a token's life, a minute at most, before it ends too
/// early.
const TOLERATED_PART: u32 = 5;
const TOLERANCE: Duration = Duration::from_secs(60);
/// How often the remembered ones that have ended are looked for at most.
const SWEEP_AGAIN: Duration = Duration::from_secs(1);
/// Tokens whose last use is remembered on this node.
const REMEMBERED: usize = 65_536;

type Sealer = Blake2bMac<U16>;

/// What becomes of a token that has come to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Refuse,
    /// It says whose it is all the same.
    Take,
}

/// Makes tokens and reads them.
pub(crate) struct Tokens {
    life: Duration,
    /// When tokens were last used here, by their seals.
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    last: BTreeMap<[u8; SEAL], Moment>,
    /// When those that had ended were last looked for.
    swept: Option<Moment>,
}

impl Tokens {
    /// For tokens that end after `life` without use.
    pub(crate) fn new(life: Duration) -> Self {
        Self { life, used: Mutex::default() }
    }

    /// A token for a user that has proven who it is.
    ///
    /// # Errors
    /// `AuthFailed` when there is no such user; `AuthNotEnabled`.
    pub(crate) fn issue(&self, auth: &Auth, user: &str, wall_millis: u64) -> Result<String, Code> {
        let since = auth.users.get(user).ok_or(Code::AuthFailed)?.since;
        let life = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        let mut token = Vec::with_capacity(HEAD + user.len() + SEAL);
        token.push(VERSION);
        token.extend_from_slice(&since.to_be_bytes());
        token.extend_from_slice(&wall_millis.saturating_add(life).to_be_bytes());
        token.extend_from_slice(user.as_bytes());
        let seal = sealer(auth)?.chain_update(&token).finalize().into_bytes();
        token.extend_from_slice(&seal);
        Ok(URL_SAFE_NO_PAD.encode(token))
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// `InvalidAuthToken` if it was not made here, has ended, or its user is gone or has another
    /// password since.
    pub(crate) fn read(
        &self,
        auth: &Auth,
        token: &str,
        (now, wall_millis): (Moment, u64),
        ended: Ended,
    ) -> Result<String, Code> {
        let invalid = Code::InvalidAuthToken;
        if token.len() > MOST {
            return Err(invalid);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid)?;
        let at = token.len().checked_sub(SEAL).filter(|at| *at >= HEAD).ok_or(invalid)?;
        let (said, seal) = token.split_at(at);
        // Compares in the same time whatever is wrong.
        sealer(auth)
            .map_err(|_| invalid)?
            .chain_update(said)
            .verify_slice(seal)
            .map_err(|_| invalid)?;
        let (Some((&VERSION, _)), Some(since), Some(ends)) =
            (said.split_first(), number(said, 1), number(said, 9))
        else {
            return Err(invalid);
        };
        let user = std::str::from_utf8(&said[HEAD..]).map_err(|_| invalid)?;
        if auth.users.get(user).is_none_or(|known| known.since != since) {
            return Err(invalid);
        }
        let seal = seal.try_into().map_err(|_| invalid)?;
        let tolerance = TOLERANCE.min(self.life / TOLERATED_PART);
        let tolerance = u64::try_from(tolerance.as_millis()).unwrap_or(0);
        let fresh = wall_millis < ends.saturating_add(tolerance);
        if self.use_it(seal, fresh, now) || ended == Ended::Take {
            Ok(user.to_owned())
        } else {
            Err(invalid)
        }
    }

    /// As with etcd's, use makes a token live longer: here on the nodes where it is used. One that has
    /// ended stays so.
    fn use_it(&self, seal: [u8; SEAL], fresh: bool, now: Moment) -> bool {
        let mut used = self.used.lock();
        if let Some(last) = used.last.get_mut(&seal) {
            let lives = fresh || now.since(*last) < self.life;
            if lives {
                *last = now;
            }
            return lives;
        }
        if fresh {
            // They are looked through under a lock that all requests take.
            let is_due = used.swept.is_none_or(|swept| now.since(swept) >= SWEEP_AGAIN);
            if used.last.len() >= REMEMBERED && is_due {
                used.swept = Some(now);
                used.last.retain(|_, last| now.since(*last) < self.life);
            }
            if used.last.len() < REMEMBERED {
                used.last.insert(seal, now);
            }
        }
        fresh
    }
}

fn sealer(auth: &Auth) -> Result<Sealer, Code> {
    if auth.key.0.is_empty() {
        return Err(Code::AuthNotEnabled);
    }
    Sealer::new_from_slice(&auth.key.0).map_err(|_| Code::Corrupt)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(copy(bytes.get(at..at + 8)?)?))
}
