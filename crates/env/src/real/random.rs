use crate::Rng;

/// The operating system's randomness.
#[derive(Default)]
pub struct OsRandom;

impl Rng for OsRandom {
    fn next_u64(&self) -> u64 {
        // The call only fails where the system has no entropy source at all; nothing could be
        // started safely there (node identities and incarnations must not collide).
        match getrandom::u64() {
            Ok(number) => number,
            Err(error) => panic!("the operating system gives no random numbers: {error}"),
        }
    }
}
