use bytes::Bytes;
use types::{Batch, Code, Fault, RegionId, limits};

use crate::codec::CodecError;
use crate::codec::primitives::{Cursor, Writer};
use crate::registry::keys;
use crate::registry::name::Name;

/// The parts of a restore that was begun. They are in the engine as well, for a restart; here, because
/// those of the batch in the making are not there yet when the last step is carried out.
#[derive(Default, Debug)]
pub(in crate::registry) struct Staged {
    restore: Name,
    parts: Vec<Bytes>,
}

fn refuse(detail: String) -> Fault {
    Fault::new(Code::InvalidArgument, detail)
}

impl Staged {
    /// Keeps a part.
    pub(super) fn stage(
        &mut self,
        (region, batch): (RegionId, &mut Batch),
        restore: &Name,
        part: u32,
        bytes: &Bytes,
    ) -> Result<(), Fault> {
        if part == 0 {
            self.clear(region, batch);
            self.restore = restore.clone();
        }
        self.is_of(restore, part)?;
        let known: usize = self.parts.iter().map(Bytes::len).sum();
        if known + bytes.len() > limits::REGISTRY_ARCHIVE_BYTES {
            let most = limits::REGISTRY_ARCHIVE_BYTES;
            return Err(refuse(format!("a snapshot of more than {most} bytes")));
        }
        let mut out = Writer::with_capacity(bytes.len() + 64);
        out.bytes(restore.as_bytes());
        out.bytes(bytes);
        batch.put(keys::staged(region, part), out.finish());
        // A copy: what came is a slice of whatever it arrived in.
        self.parts.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    /// Whether so many parts of this restore are here.
    fn is_of(&self, restore: &Name, parts: u32) -> Result<(), Fault> {
        if self.restore == *restore && self.parts.len() == parts as usize {
            return Ok(());
        }
        Err(refuse("another restore took the place of this one".to_owned()))
    }

    /// All parts, which are not kept any more.
    pub(super) fn take(
        &mut self,
        (region, batch): (RegionId, &mut Batch),
        restore: &Name,
        parts: u32,
    ) -> Result<Bytes, Fault> {
        self.is_of(restore, parts)?;
        let bytes = self.parts.concat();
        self.clear(region, batch);
        Ok(bytes.into())
    }

    /// Forgets the parts, if they are of this restore.
    pub(super) fn abandon(&mut self, (region, batch): (RegionId, &mut Batch), restore: &Name) {
        if self.restore == *restore {
            self.clear(region, batch);
        }
    }

    fn clear(&mut self, region: RegionId, batch: &mut Batch) {
        for part in 0..self.parts.len() {
            batch.delete(keys::staged(region, u32::try_from(part).unwrap_or(u32::MAX)));
        }
        *self = Self::default();
    }

    /// Takes in a part from the engine; they come in order. Answers whether it fits.
    pub(in crate::registry) fn load(&mut self, from: &mut Cursor) -> Result<bool, CodecError> {
        let (restore, bytes) = (Name::from(from.text()?), from.bytes()?);
        let fits = self.parts.is_empty() || self.restore == restore;
        self.restore = restore;
        self.parts.push(Bytes::copy_from_slice(&bytes));
        Ok(fits)
    }
}
