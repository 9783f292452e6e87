//! Windows (RFC 9113, 5.2 and 6.9).

/// A window may not be wider.
pub(crate) const WIDEST: i64 = i32::MAX as i64;
/// What each window is until something else is said.
pub(crate) const INITIAL: u32 = 65_535;

/// What may be sent. Below zero after the client made its streams' windows smaller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outflow(i64);

impl Outflow {
    pub(crate) fn new(bytes: u32) -> Self {
        Self(i64::from(bytes))
    }

    /// Says whether the window may be as wide.
    #[must_use]
    pub(crate) fn change(&mut self, by: i64) -> bool {
        self.0 += by;
        self.0 <= WIDEST
    }

    pub(crate) fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }
}

/// What the client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inflow {
    left: i64,
    /// Bytes used up that the client was not told of yet.
    unsaid: u32,
    /// The window at its widest.
    whole: u32,
}

impl Inflow {
    pub(crate) fn new(bytes: u32) -> Self {
        Self { left: i64::from(bytes), unsaid: 0, whole: bytes }
    }

    /// Takes what came; says whether the client was allowed to send it.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        self.left -= bytes as i64;
        self.left >= 0
    }

    /// What came was used; answers by how much to widen the client's window, now and then.
    pub(crate) fn used(&mut self, bytes: usize) -> Option<u32> {
        // Never more than came, and that was below 2^31.
        self.unsaid = self.unsaid.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.unsaid < self.whole / 2 || self.unsaid == 0 {
            return None;
        }
        let said = std::mem::take(&mut self.unsaid);
        self.left += i64::from(said);
        Some(said)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Inflow;

    proptest! {
        /// What the client may send, what it sent and what is not said yet is the window, always.
        #[test]
        fn no_byte_of_a_window_is_lost(
            whole in 1_u32..100_000, sizes in proptest::collection::vec(1_usize..50_000, 0..60),
        ) {
            let mut inflow = Inflow::new(whole);
            let (mut client, mut waiting) = (i64::from(whole), 0_i64);
            for size in sizes {
                let allowed = size as i64 <= client;
                let mut tried = inflow;
                prop_assert_eq!(tried.take(size), allowed);
                if allowed {
                    inflow = tried;
                    client -= size as i64;
                    waiting += size as i64;
                } else {
                    let said = inflow.used(waiting as usize).map_or(0, i64::from);
                    client += said;
                    waiting = 0;
                }
                prop_assert_eq!(inflow.left, client);
                prop_assert_eq!(client + waiting + i64::from(inflow.unsaid), i64::from(whole));
            }
        }
    }
}
