//! Passwords: hashed so that whoever gets the hashes has to pay for every guess, and checked so that
//! clients which log in for every request do not pay each time.

use std::collections::BTreeSet;
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};
use bytes::{BufMut, Bytes, BytesMut};
use env::Rng;
use parking_lot::Mutex;
use state::auth::Secret;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use types::{Code, Fault};

/// The first byte of a hash: Argon2id of version 19, then memory in KiB, passes, lanes (4 bytes each,
/// big-endian), salt and hash.
const ARGON2ID: u8 = 1;
/// The first byte of one that etcd made: bcrypt's own text is behind it.
const BCRYPT: u8 = 2;
const SALT: usize = 16;
const HASH: usize = 32;
/// What OWASP recommends: 19 MiB, two passes, one lane. Some 20 ms of one core.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Bounds of what a record may ask for: it comes from the log, but a node must not die of it.
const MEMORY_KIB_MOST: u32 = 1 << 20;
const PASSES_MOST: u32 = 64;
/// Those that wait besides; the next is told `TooManyRequests`.
const WAITING: usize = 256;
/// Bytes of a password.
const PASSWORD_BYTES: usize = 1_024;
/// Good answers that are remembered.
const REMEMBERED: usize = 4_096;

type Digest = [u8; 32];

/// Passwords hashed at once, each in [`MEMORY_KIB`] of memory and on a thread that may block: on half of
/// the cores, since whoever connects may ask for it.
fn at_once() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn short(password: &str) -> Result<(), Fault> {
    if password.len() <= PASSWORD_BYTES {
        return Ok(());
    }
    let detail = format!("a password has at most {PASSWORD_BYTES} bytes");
    Err(Fault::new(Code::InvalidArgument, detail))
}

/// Hashes passwords and checks them.
pub(crate) struct Passwords {
    /// Drawn at the start and kept nowhere: what is remembered tells nothing to who reads memory
    /// later from a file.
    key: Digest,
    salts: Arc<dyn Rng>,
    good: Mutex<BTreeSet<Digest>>,
    waiting: Semaphore,
    working: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new(rng: &Arc<dyn Rng>) -> Self {
        let mut key = Digest::default();
        fill(rng.as_ref(), &mut key);
        Self {
            key,
            salts: Arc::clone(rng),
            good: Mutex::default(),
            waiting: Semaphore::new(WAITING),
            working: Arc::new(Semaphore::new(at_once())),
        }
    }

    /// The hash of a password, with a salt of its own.
    ///
    /// # Errors
    /// `TooManyRequests`, `InvalidArgument` for one that is too long.
    pub(crate) async fn hash(&self, password: &str) -> Result<Secret, Fault> {
        let mut salt = [0; SALT];
        fill(self.salts.as_ref(), &mut salt);
        let hash = self
            .work(password, move |password| derive(password, &salt, (MEMORY_KIB, PASSES, LANES)));
        let hash = hash.await?.ok_or_else(|| Fault::new(Code::Internal, "argon2 failed"))?;
        let mut record = BytesMut::with_capacity(13 + SALT + HASH);
        record.put_u8(ARGON2ID);
        for number in [MEMORY_KIB, PASSES, LANES] {
            record.put_u32(number);
        }
        record.put_slice(&salt);
        record.put_slice(&hash);
        Ok(Secret(record.freeze()))
    }

    /// Whether it is the password that was hashed. A good one is remembered for as long as the
    /// user's `since` stays.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub(crate) async fn check(
        &self,
        (user, since): (&str, u64),
        hash: &Secret,
        password: &str,
    ) -> Result<bool, Fault> {
        short(password)?;
        let known = self.digest(user, since, hash, password);
        if known.is_some_and(|known| self.good.lock().contains(&known)) {
            return Ok(true);
        }
        let record = hash.0.clone();
        let good = self.work(password, move |password| is_of(&record, password)).await?;
        if let Some(known) = known.filter(|_| good) {
            let mut all = self.good.lock();
            if all.len() >= REMEMBERED {
                all.clear();
            }
            all.insert(known);
        }
        Ok(good)
    }

    /// Stands for one good answer.
    fn digest(&self, user: &str, since: u64, hash: &Secret, password: &str) -> Option<Digest> {
        let mut mac = Blake2bMac::<U32>::new_from_slice(&self.key).ok()?;
        for part in [user.as_bytes(), &since.to_be_bytes(), &hash.0, password.as_bytes()] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Some(mac.finalize().into_bytes().into())
    }

    /// Off the threads that serve requests, a few at a time.
    async fn work<T: Send + 'static>(
        &self,
        password: &str,
        work: impl FnOnce(&[u8]) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        short(password)?;
        let _waiting = self.waiting.try_acquire().map_err(|_| Code::TooManyRequests)?;
        let permit = Arc::clone(&self.working).acquire_owned().await;
        let permit = permit.map_err(|_| Code::ShuttingDown)?;
        let password = password.to_owned();
        let done = spawn_blocking(move || {
            // Until it is done, whether or not anybody waits for it any more.
            let _permit = permit;
            work(password.as_bytes())
        });
        done.await.map_err(|error| Fault::new(Code::Internal, error.to_string()))
    }
}

fn derive(
    password: &[u8],
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
) -> Option<[u8; HASH]> {
    let params = Params::new(memory, passes, lanes, Some(HASH)).ok()?;
    let mut hash = [0; HASH];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(password, salt, &mut hash).ok()?;
    Some(hash)
}

fn is_of(record: &Bytes, password: &[u8]) -> bool {
    if let Some((&BCRYPT, text)) = record.split_first() {
        return super::bcrypt::is_of(text, password);
    }
    let number = |at: usize| Some(u32::from_be_bytes(copy(record.get(at..at + 4)?)?));
    let parts = || {
        if record.len() != 13 + SALT + HASH || record.first() != Some(&ARGON2ID) {
            return None;
        }
        Some(((number(1)?, number(5)?, number(9)?), record.get(13..13 + SALT)?))
    };
    let Some((cost, salt)) = parts() else { return false };
    if cost.0 > MEMORY_KIB_MOST || cost.1 > PASSES_MOST {
        return false;
    }
    let Some(hash) = derive(password, salt, cost) else { return false };
    // In the same time wherever they differ.
    let differ = hash.iter().zip(&record[13 + SALT..]).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differ) == 0
}

/// Random bytes.
pub(super) fn fill(rng: &dyn Rng, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let random = rng.next_u64().to_ne_bytes();
        chunk.copy_from_slice(&random[..chunk.len()]);
    }
}

/// An array of what is as long as it.
pub(super) fn copy<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}
