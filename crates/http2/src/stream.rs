//! Streams that are open (RFC 9113, 5.1), each in a place of its own.

use std::collections::BTreeMap;

use crate::flow::{Inflow, Outflow};

/// Names a stream; never the same for two streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamKey {
    id: u32,
    place: u32,
}

impl StreamKey {
    /// The stream's number on the wire.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }

    /// Below the most streams that may be open; no two open streams have the same.
    #[must_use]
    pub fn place(self) -> usize {
        self.place as usize
    }
}

/// What a stream with more to send waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    No,
    /// Its own window.
    Window,
    /// The connection's window; it is in the queue for that.
    Turn,
}

pub(crate) struct Stream {
    id: u32,
    /// Whether the client may still send: "open", otherwise "half-closed (remote)".
    pub(crate) receives: bool,
    /// Whether our HEADERS were sent.
    pub(crate) answered: bool,
    pub(crate) waits: Waits,
    pub(crate) outflow: Outflow,
    pub(crate) inflow: Inflow,
    /// Bytes that came and were not used.
    pub(crate) unused: usize,
}

/// All streams that are open, from either side.
#[derive(Default)]
pub(crate) struct Streams {
    places: Vec<Option<Stream>>,
    free: Vec<u32>,
    by_id: BTreeMap<u32, u32>,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn open(&mut self, id: u32, outflow: u32, inflow: u32) -> StreamKey {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            // As many as may be open, which is a u32.
            self.places.len() as u32 - 1
        });
        self.places[place as usize] = Some(Stream {
            id,
            receives: true,
            answered: false,
            waits: Waits::No,
            outflow: Outflow::new(outflow),
            inflow: Inflow::new(inflow),
            unused: 0,
        });
        self.by_id.insert(id, place);
        StreamKey { id, place }
    }

    pub(crate) fn find(&self, id: u32) -> Option<StreamKey> {
        self.by_id.get(&id).map(|&place| StreamKey { id, place })
    }

    /// The stream, if it is open still.
    pub(crate) fn get(&mut self, key: StreamKey) -> Option<&mut Stream> {
        let stream = self.places.get_mut(key.place())?.as_mut()?;
        (stream.id == key.id).then_some(stream)
    }

    pub(crate) fn close(&mut self, key: StreamKey) -> Option<Stream> {
        self.get(key)?;
        self.by_id.remove(&key.id);
        self.free.push(key.place);
        self.places[key.place()].take()
    }

    pub(crate) fn each(&mut self) -> impl Iterator<Item = (StreamKey, &mut Stream)> {
        let streams = self.places.iter_mut().zip(0..);
        streams.filter_map(|(stream, place)| {
            let stream = stream.as_mut()?;
            Some((StreamKey { id: stream.id, place }, stream))
        })
    }
}
