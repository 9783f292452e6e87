use crate::error::ConnectionError;
use crate::limits::Limits;

/// Frames of no use that one of use makes up for: window updates and pings come with data.
const FOR_ONE_OF_USE: u32 = 8;

/// How much work without use a client may still make. All of it is cheap; without bounds it would be
/// an attack all the same (CVE-2019-9512 and after, CVE-2023-44487).
pub(crate) struct Budget {
    frames: u32,
    frames_most: u32,
    resets: u32,
    resets_most: u32,
    resets_a_second: u32,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        let resets = limits.streams.max(limits.resets);
        Self {
            frames: limits.control_frames,
            frames_most: limits.control_frames,
            resets,
            resets_most: resets,
            resets_a_second: limits.resets,
        }
    }

    /// A frame that asks for nothing and brings nothing.
    pub(crate) fn control(&mut self, cost: u32) -> Result<(), ConnectionError> {
        match self.frames.checked_sub(cost) {
            Some(left) => self.frames = left,
            None => return Err(ConnectionError::calm("too many control frames without any use")),
        }
        Ok(())
    }

    /// A request was given up.
    pub(crate) fn reset(&mut self) -> Result<(), ConnectionError> {
        match self.resets.checked_sub(1) {
            Some(left) => self.resets = left,
            None => return Err(ConnectionError::calm("too many requests given up at once")),
        }
        Ok(())
    }

    /// A frame that asks for something, or brings something, in either direction.
    pub(crate) fn useful(&mut self) {
        self.frames = self.frames_most.min(self.frames.saturating_add(FOR_ONE_OF_USE));
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self) {
        self.resets = self.resets_most.min(self.resets.saturating_add(1));
    }

    pub(crate) fn seconds_passed(&mut self, seconds: u32) {
        if seconds > 0 {
            self.frames = self.frames_most;
            let more = self.resets_a_second.saturating_mul(seconds);
            self.resets = self.resets_most.min(self.resets.saturating_add(more));
        }
    }
}
