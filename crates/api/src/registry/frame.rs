use bytes::{BufMut, Bytes, BytesMut};
use node::Delta;
use prost::Message;
use prost::encoding::{self, WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::hiraeth::v1 as pb;

use super::convert;

/// The number of the field `update` in `OpenResponse`.
const UPDATE_FIELD: u32 = 3;
/// The numbers of `subscription` and `change` in `Update`.
const SUBSCRIPTION_FIELD: u32 = 1;
const CHANGE_FIELD: u32 = 2;

/// A `OpenResponse` on its way.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Own(pb::OpenResponse),
    /// An update whose `change` is shared with all who are told the same.
    Update {
        subscription: u64,
        change: Bytes,
    },
}

impl Frame {
    pub(super) fn of(tell: pb::open_response::Tell) -> Self {
        Self::Own(pb::OpenResponse { tell: Some(tell) })
    }

    pub(super) fn update(subscription: u64, delta: &Delta) -> Self {
        let change = delta.encoded(|delta| {
            let change = convert::change(delta);
            let mut buffer = BytesMut::with_capacity(change.encoded_len());
            // A buffer that grows takes everything.
            let _ = change.encode(&mut buffer);
            buffer.freeze()
        });
        Self::Update { subscription, change }
    }

    /// Bytes of the update within.
    fn update_len(subscription: u64, change: &Bytes) -> usize {
        encoding::uint64::encoded_len(SUBSCRIPTION_FIELD, &subscription)
            + key_len(CHANGE_FIELD)
            + encoded_len_varint(change.len() as u64)
            + change.len()
    }

    pub(super) fn encoded_len(&self) -> usize {
        match self {
            Self::Own(response) => response.encoded_len(),
            Self::Update { subscription, change } => {
                let update = Self::update_len(*subscription, change);
                key_len(UPDATE_FIELD) + encoded_len_varint(update as u64) + update
            }
        }
    }

    pub(super) fn encode(&self, out: &mut impl BufMut) -> Result<(), prost::EncodeError> {
        match self {
            Self::Own(response) => return response.encode(out),
            Self::Update { subscription, change } => {
                encode_key(UPDATE_FIELD, WireType::LengthDelimited, out);
                encode_varint(Self::update_len(*subscription, change) as u64, out);
                encoding::uint64::encode(SUBSCRIPTION_FIELD, subscription, out);
                encode_key(CHANGE_FIELD, WireType::LengthDelimited, out);
                encode_varint(change.len() as u64, out);
                out.put_slice(change);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use prost::Message;
    use proto::hiraeth::v1 as pb;
    use proto::hiraeth::v1::open_response::Tell;

    use super::Frame;

    #[test]
    fn what_is_shared_reads_like_what_is_not() {
        let change = pb::Change {
            version: 77,
            everything: true,
            changed: vec![pb::Instance { id: "a".into(), port: 80, ..pb::Instance::default() }],
            gone: vec![pb::Place { node: "n".into(), id: "b".into() }],
        };
        for subscription in [1, 300, u64::MAX] {
            let shared = Frame::Update { subscription, change: change.encode_to_vec().into() };
            let mut buffer = BytesMut::new();
            shared.encode(&mut buffer).unwrap();
            assert_eq!(buffer.len(), shared.encoded_len());
            let update = pb::Update { subscription, change: Some(change.clone()) };
            let own = pb::OpenResponse { tell: Some(Tell::Update(update)) };
            assert_eq!(pb::OpenResponse::decode(buffer.freeze()).unwrap(), own);
            assert_eq!(Frame::Own(own).encoded_len(), shared.encoded_len());
        }
    }
}
