use bytes::{BufMut, Bytes};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len, uint64};
use proto::hiraeth::v1 as pb;
use proto::hiraeth::v1::open_response::Tell;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// The number of the field `update` in `OpenResponse`.
const UPDATE_FIELD: u32 = 3;
/// The numbers of `subscription` and `change` in `Update`.
const SUBSCRIPTION_FIELD: u32 = 1;
const CHANGE_FIELD: u32 = 2;

/// Bytes that a stream's buffers begin with: most streams are subscribers', of which there are many, and what
/// they are told is short.
const BUFFER_BYTES: usize = 256;
/// Bytes that are encoded before they are sent on.
const AHEAD_BYTES: usize = 32 * 1024;

/// An `OpenResponse` on its way.
#[derive(Clone, Debug)]
pub(super) enum Frame {
    Own(Tell),
    /// An update whose `change` is shared with all who are told the same.
    Update {
        subscription: u64,
        change: Bytes,
    },
}

impl Frame {
    fn encode(self, out: &mut EncodeBuf<'_>) -> Result<(), prost::EncodeError> {
        match self {
            Self::Own(tell) => pb::OpenResponse { tell: Some(tell) }.encode(out),
            Self::Update { subscription, change } => {
                update(subscription, &change, out);
                Ok(())
            }
        }
    }
}

fn update(subscription: u64, change: &Bytes, out: &mut impl BufMut) {
    let length = uint64::encoded_len(SUBSCRIPTION_FIELD, &subscription)
        + key_len(CHANGE_FIELD)
        + encoded_len_varint(change.len() as u64)
        + change.len();
    encode_key(UPDATE_FIELD, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
    uint64::encode(SUBSCRIPTION_FIELD, &subscription, out);
    encode_key(CHANGE_FIELD, WireType::LengthDelimited, out);
    encode_varint(change.len() as u64, out);
    out.put_slice(change);
}

/// Reads what clients say, writes [`Frame`]s.
#[derive(Clone, Copy, Default)]
pub(super) struct OpenCodec;

impl Codec for OpenCodec {
    type Encode = Frame;
    type Decode = pb::OpenRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for OpenCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let encoded = frame.encode(buffer);
        encoded.map_err(|error| Status::internal(format!("hiraeth: registry response: {error}")))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, AHEAD_BYTES)
    }
}

impl Decoder for OpenCodec {
    type Item = pb::OpenRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let request = pb::OpenRequest::decode(buffer);
        let request = request
            .map_err(|error| Status::internal(format!("hiraeth: registry request: {error}")))?;
        Ok(Some(request))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(BUFFER_BYTES, AHEAD_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::hiraeth::v1 as pb;
    use proto::hiraeth::v1::open_response::Tell;

    #[test]
    fn what_is_shared_reads_like_what_is_not() {
        let change = pb::Change {
            version: 77,
            everything: true,
            changed: vec![pb::Instance { id: "a".into(), port: 80, ..pb::Instance::default() }],
            gone: vec![pb::Place { node: "n".into(), id: "b".into() }],
        };
        for subscription in [1, 300, u64::MAX] {
            let mut buffer = Vec::new();
            super::update(subscription, &change.encode_to_vec().into(), &mut buffer);
            let update = pb::Update { subscription, change: Some(change.clone()) };
            let own = pb::OpenResponse { tell: Some(Tell::Update(update)) };
            assert_eq!(pb::OpenResponse::decode(&buffer[..]).unwrap(), own);
        }
    }
}
