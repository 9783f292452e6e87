//! How far a region's log is applied, kept in the same batch as what it did.

use bytes::Bytes;
use types::{ConfState, Epoch, Index, Reader, RegionId, Revision, Term};

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::codec::records::{get_configuration, get_epoch, put_configuration, put_epoch};
use crate::error::LoadError;
use crate::keys;
use crate::sharded::Shape;

const VERSION: u8 = 1;
/// With the shape of a region of a sharded keyspace behind the rest.
const SHARDED: u8 = 2;

/// How far the log is applied, and the region's shape there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Applied {
    /// The last entry applied; 0 for none.
    pub index: Index,
    /// Its term.
    pub term: Term,
    /// Who takes part.
    pub conf_state: ConfState,
    /// The shape's version.
    pub epoch: Epoch,
}

impl Applied {
    /// What `reader` has of `region`; the beginning if it has nothing.
    ///
    /// # Errors
    /// When it cannot be read, or the record is damaged.
    pub fn stored(region: RegionId, reader: &dyn Reader) -> Result<Self, LoadError> {
        Ok(stored(region, reader)?.0)
    }

    /// What `reader` has of a region of a sharded keyspace, with its shape; `None` if it has nothing, or
    /// the region is none.
    ///
    /// # Errors
    /// As for [`Self::stored`].
    pub fn sharded(
        region: RegionId,
        reader: &dyn Reader,
    ) -> Result<Option<(Self, Shape)>, LoadError> {
        let Stored { applied, shape, .. } = stored_whole(region, reader)?;
        Ok(shape.map(|shape| (applied, shape)))
    }

    /// The regions that `reader` has anything of. Costs one look for each.
    ///
    /// # Errors
    /// The reader's.
    pub fn regions(reader: &dyn Reader) -> Result<Vec<RegionId>, LoadError> {
        let (mut found, (_, end)) = (Vec::new(), keys::regions());
        let mut from = RegionId::META;
        loop {
            let mut next = None;
            reader.scan(&keys::region_range(from).0, &end, &mut |key, _| {
                next = key.first_chunk().map(|region| RegionId(u64::from_be_bytes(*region)));
                false
            })?;
            let Some(region) = next else { return Ok(found) };
            found.push(region);
            from = RegionId(region.get() + 1);
        }
    }
}

/// All that an applied record says.
#[derive(Default)]
pub(crate) struct Stored {
    pub(crate) applied: Applied,
    pub(crate) progress: Progress,
    pub(crate) shape: Option<Shape>,
}

pub(crate) fn stored(
    region: RegionId,
    reader: &dyn Reader,
) -> Result<(Applied, Progress), LoadError> {
    let stored = stored_whole(region, reader)?;
    Ok((stored.applied, stored.progress))
}

pub(crate) fn stored_whole(region: RegionId, reader: &dyn Reader) -> Result<Stored, LoadError> {
    match reader.get(&keys::applied(region))? {
        Some(bytes) => decode(bytes)
            .map_err(|error| LoadError::Damaged(format!("the applied record: {error}"))),
        None => Ok(Stored::default()),
    }
}

/// How far the key space has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Progress {
    /// The newest revision.
    pub(crate) revision: Revision,
    /// The oldest readable revision; 0 if nothing was compacted.
    pub(crate) compacted: Revision,
    /// What compaction up to this revision made unreachable is gone from the engine.
    pub(crate) scavenged: Revision,
}

impl Default for Progress {
    fn default() -> Self {
        Self { revision: Revision(1), compacted: Revision(0), scavenged: Revision(0) }
    }
}

pub(crate) fn encode(applied: &Applied, progress: &Progress, shape: Option<&Shape>) -> Bytes {
    let mut out = Writer::with_capacity(64);
    out.byte(if shape.is_some() { SHARDED } else { VERSION });
    out.number(applied.index.get());
    out.number(applied.term.get());
    put_epoch(&mut out, applied.epoch);
    out.revision(progress.revision);
    out.revision(progress.compacted);
    out.revision(progress.scavenged);
    put_configuration(&mut out, &applied.conf_state);
    if let Some(shape) = shape {
        shape.put(&mut out);
    }
    out.finish()
}

pub(crate) fn decode(bytes: Bytes) -> Result<Stored, CodecError> {
    let mut from = Cursor::new(bytes);
    let version = from.byte()?;
    if version != VERSION && version != SHARDED {
        return Err(from.error("an applied record of an unknown version"));
    }
    let (index, term) = (Index(from.number()?), Term(from.number()?));
    let epoch = get_epoch(&mut from)?;
    let progress = Progress {
        revision: from.revision()?,
        compacted: from.revision()?,
        scavenged: from.revision()?,
    };
    let conf_state = get_configuration(&mut from)?;
    let shape = if version == SHARDED { Some(Shape::get(&mut from)?) } else { None };
    from.end()?;
    Ok(Stored { applied: Applied { index, term, conf_state, epoch }, progress, shape })
}
