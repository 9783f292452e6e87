//! Randomness.

/// Where random numbers come from.
pub trait Rng: Send + Sync {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}
