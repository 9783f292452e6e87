use bytes::BufMut;
use prost::Message;
use proto::etcdserverpb as pb;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::frame::Frame;

/// Reads watch requests, writes [`Frame`]s.
#[derive(Clone, Copy, Default)]
pub(super) struct WatchCodec;

impl Codec for WatchCodec {
    type Encode = Frame;
    type Decode = pb::WatchRequest;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for WatchCodec {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(frame.encoded_len());
        buffer.put_slice(&frame.header);
        frame
            .head
            .encode(buffer)
            .map_err(|error| Status::internal(format!("hiraeth: watch response: {error}")))?;
        buffer.put_slice(&frame.events);
        Ok(())
    }
}

impl Decoder for WatchCodec {
    type Item = pb::WatchRequest;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Self::Item>, Status> {
        let request = pb::WatchRequest::decode(buffer)
            .map_err(|error| Status::internal(format!("hiraeth: watch request: {error}")))?;
        Ok(Some(request))
    }
}
