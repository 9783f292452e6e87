use prost::Message;
use proto::hiraeth::v1 as pb;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use super::frame::Frame;

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
        buffer.reserve(frame.encoded_len());
        let encoded = frame.encode(buffer);
        encoded.map_err(|error| Status::internal(format!("hiraeth: registry response: {error}")))
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
}
