//! What a node says of itself with every beat. Drawn in `docs/protocol.md`.

use bytes::Bytes;

use super::health::DiskState;
use crate::strain::Strain;
use crate::varint;

/// A node in a few words, as it was at its last beat.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Summary {
    /// Replicas on the node. This and the next two are counted once a second.
    pub regions: u64,
    /// Of them, those that lead.
    pub led: u64,
    /// The most entries that are committed and not applied in any of them.
    pub lag: u64,
    /// How full its disk is.
    pub disk: DiskState,
    /// Whether it takes no writes, to protect its disk.
    pub read_only: bool,
    /// Whether it is about to stop.
    pub stopping: bool,
    /// Whether it wants to be told of the traces that it works for.
    pub traces: bool,
    /// What makes it a bad neighbour.
    pub strain: Strain,
}

/// The last beat heard from whom a beat goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Echo {
    pub(crate) incarnation: u64,
    pub(crate) sequence: u64,
    /// How long ago it came, in microseconds.
    pub(crate) held_micros: u64,
}

/// One beat of a node to another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beat {
    /// This run of the sender.
    pub(crate) incarnation: u64,
    /// Its beats are numbered from 1.
    pub(crate) sequence: u64,
    pub(crate) echo: Option<Echo>,
    pub(crate) summary: Summary,
    /// The newest change of users and rights the sender knows, from 1; 0 if it cannot tell.
    pub(crate) auth: u64,
}

const ECHO: u64 = 1;
const READ_ONLY: u64 = 2;
const STOPPING: u64 = 4;
const DISK_SHIFT: u32 = 3;
/// Of what a node takes that older ones do not know.
const TRACES: u64 = 1;

impl Beat {
    pub(crate) fn encode_into(&self, out: &mut Vec<u8>) {
        let summary = &self.summary;
        let mut flags = (summary.disk as u64) << DISK_SHIFT;
        for (set, flag) in [
            (self.echo.is_some(), ECHO),
            (summary.read_only, READ_ONLY),
            (summary.stopping, STOPPING),
        ] {
            flags |= if set { flag } else { 0 };
        }
        let numbers = [flags, self.incarnation, self.sequence];
        let echo = self.echo.map(|echo| [echo.incarnation, echo.sequence, echo.held_micros]);
        let takes = if summary.traces { TRACES } else { 0 };
        let strain = summary.strain.bits();
        let summary = [summary.regions, summary.led, summary.lag, self.auth, takes, strain];
        for number in numbers.into_iter().chain(echo.into_iter().flatten()).chain(summary) {
            varint::put(out, number);
        }
    }

    /// `None` for what is no beat. What comes after it is for later versions to understand.
    pub(crate) fn decode(mut body: Bytes) -> Option<Self> {
        let mut next = || varint::get(&mut body);
        let flags = next()?;
        let (incarnation, sequence) = (next()?, next()?);
        let echo = if flags & ECHO == 0 {
            None
        } else {
            Some(Echo { incarnation: next()?, sequence: next()?, held_micros: next()? })
        };
        let (regions, led, lag, auth) = (next()?, next()?, next()?, next()?);
        // Neither from older builds.
        let takes = next().unwrap_or(0);
        let strain = Strain::from_bits(next().unwrap_or(0));
        if sequence == 0 {
            return None;
        }
        let summary = Summary {
            regions,
            led,
            lag,
            disk: DiskState::from_bits(flags >> DISK_SHIFT),
            read_only: flags & READ_ONLY != 0,
            stopping: flags & STOPPING != 0,
            traces: takes & TRACES != 0,
            strain,
        };
        Some(Self { incarnation, sequence, echo, summary, auth })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{Beat, DiskState, Echo, Strain, Summary};

    fn beat() -> impl Strategy<Value = Beat> {
        let disk = prop_oneof![Just(DiskState::Free), Just(DiskState::Low), Just(DiskState::Full)];
        let numbers = (any::<u64>(), 1..u64::MAX, any::<u64>(), any::<u64>(), any::<u64>());
        let echo = prop::option::of((any::<u64>(), any::<u64>(), any::<u64>()));
        (numbers, echo, disk, any::<(bool, bool, bool, u64, u8)>()).prop_map(
            |(numbers, echo, disk, rest)| {
                let (incarnation, sequence, regions, led, lag) = numbers;
                let echo = echo.map(|(incarnation, sequence, held_micros)| Echo {
                    incarnation,
                    sequence,
                    held_micros,
                });
                let (read_only, stopping, traces, auth, strain) = rest;
                let strain = Strain::from_bits(u64::from(strain));
                let summary =
                    Summary { regions, led, lag, disk, read_only, stopping, traces, strain };
                Beat { incarnation, sequence, echo, summary, auth }
            },
        )
    }

    proptest! {
        #[test]
        fn beats_come_back_and_are_cut_off_nowhere(beat in beat(), more in any::<[u8; 3]>()) {
            let mut out = Vec::new();
            beat.encode_into(&mut out);
            prop_assert!(out.len() <= 255, "{} bytes", out.len());
            // Older builds say nothing of what strains them, still older ones nothing of what they take.
            let older = Summary { strain: Strain::default(), ..beat.summary };
            let oldest = Summary { traces: false, ..older };
            let end = out.len() - 2;
            for (end, summary) in [(end + 1, older), (end, oldest)] {
                let beat = Some(Beat { summary, ..beat });
                prop_assert_eq!(Beat::decode(Bytes::copy_from_slice(&out[..end])), beat);
            }
            for end in 0..end {
                prop_assert_eq!(Beat::decode(Bytes::copy_from_slice(&out[..end])), None);
            }
            out.extend(more);
            prop_assert_eq!(Beat::decode(out.into()), Some(beat), "a later version says more");
        }

        #[test]
        fn garbage_is_refused_or_a_beat(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Beat::decode(bytes.into());
        }
    }
}
