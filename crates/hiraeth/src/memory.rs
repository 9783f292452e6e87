//! What becomes of memory that is free.
//!
//! A server may have 10,000 regions that sleep, each in a few kilobytes. As the allocator comes it takes
//! twice of what they need: memory in pages of two megabytes, of which what is used once stays, and free
//! pages that it keeps for a second, and then until it is called often enough to look. Figures:
//! `docs/performance.md`, "10,000 regions".
#![expect(unsafe_code, reason = "the allocator's options have no safe interface")]

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay` of the third version: milliseconds until a free page is given back; 0 at once.
const PURGE_DELAY: mi_option_t = 15;
/// The same in the environment, which counts more.
const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

/// To be called before anything else of size is done, and by servers only: programs that a process runs
/// inherit that it has no huge pages, and a command that holds a lock is not ours. Whoever runs this may
/// still say otherwise in the environment (`MIMALLOC_PURGE_DELAY`).
pub(crate) fn give_back_what_is_free() {
    // Not on every kernel; then it takes more.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    if std::env::var_os(VARIABLE).is_none() {
        // SAFETY: it sets a number, and may be called at any time.
        unsafe { mi_option_set(PURGE_DELAY, 0) };
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    /// The option has no name in Rust, only its place among them.
    #[test]
    fn the_option_is_the_one_it_is_taken_for() {
        assert!(std::env::var_os(VARIABLE).is_none(), "{VARIABLE} is set");
        // SAFETY: it reads a number.
        let before = unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(before, 1_000, "the delay it comes with");
        give_back_what_is_free();
        // SAFETY: as above.
        assert_eq!(unsafe { mi_option_get(PURGE_DELAY) }, 0);
    }
}
