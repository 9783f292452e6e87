//! What this node tells the others of itself that nobody but itself can know.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::space::Room;

/// How full a node's disk is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[repr(u8)]
pub enum DiskState {
    /// There is room.
    #[default]
    Free = 0,
    /// Less than twice of what is kept back is free: somebody should look.
    Low = 1,
    /// Nothing more is to be written but what frees space.
    Full = 2,
}

impl DiskState {
    /// As seen where the data are.
    pub(crate) fn of(room: Room) -> Self {
        if room.read_only {
            Self::Full
        } else if room.total > 0 && room.free < room.reserve.saturating_mul(2) {
            Self::Low
        } else {
            Self::Free
        }
    }

    /// From the low bits of a number; whatever is worse than full is full.
    pub(crate) fn from_bits(bits: u64) -> Self {
        match bits {
            0 => Self::Free,
            1 => Self::Low,
            _ => Self::Full,
        }
    }
}

/// Flags of this node, set by whoever knows and told with the next beat.
#[derive(Default)]
pub(crate) struct Health {
    stopping: AtomicBool,
}

impl Health {
    pub(crate) fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
