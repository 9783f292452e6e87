//! Messages as JSON, in the words of etcd's gateway: bytes in base64, 64-bit numbers as strings, names
//! as in the `.proto` files, what has its default left out.

use prost_reflect::{
    DeserializeOptions, DynamicMessage, Kind, MessageDescriptor, SerializeOptions,
};
use serde::Deserialize;
use serde_json::Value;
use tonic::Status;

/// Reads a message. Names may be as in the `.proto` file or in camel case, numbers may be strings or
/// not, base64 of either alphabet, enums by name or number; what is unknown is passed over, and so is
/// what follows the first value.
///
/// # Errors
/// `InvalidArgument` with what does not fit.
pub(super) fn read(descriptor: MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, Status> {
    let text = text.trim_ascii();
    // As good as `{}`, for etcd's gateway too.
    if text.is_empty() || text == b"null" {
        return Ok(DynamicMessage::new(descriptor));
    }
    // It follows no more than 128 levels.
    let mut json = serde_json::Deserializer::from_slice(text);
    let told = |error: serde_json::Error| Status::invalid_argument(error.to_string());
    let mut value = Value::deserialize(&mut json).map_err(told)?;
    forget_unknown(&mut value, &descriptor);
    // Else names of enums that do not exist would be passed over, too.
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor, value, &options).map_err(told)
}

/// Takes out the fields that no message has.
fn forget_unknown(value: &mut Value, descriptor: &MessageDescriptor) {
    let Value::Object(fields) = value else { return };
    fields.retain(|name, value| {
        let known = descriptor.get_field_by_name(name);
        let Some(field) = known.or_else(|| descriptor.get_field_by_json_name(name)) else {
            return false;
        };
        if let Kind::Message(inner) = field.kind() {
            match value {
                Value::Array(values) => {
                    values.iter_mut().for_each(|value| forget_unknown(value, &inner));
                }
                value => forget_unknown(value, &inner),
            }
        }
        true
    });
}

/// Writes a message after what `text` has already.
///
/// # Errors
/// `Internal`, if a message of ours cannot be written.
pub(super) fn write(message: &DynamicMessage, text: &mut Vec<u8>) -> Result<(), Status> {
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(true)
        .use_enum_numbers(false)
        .use_proto_field_name(true)
        .skip_default_fields(true);
    let mut json = serde_json::Serializer::new(text);
    message
        .serialize_with_options(&mut json, &options)
        .map_err(|error| Status::internal(format!("hiraeth: an answer as JSON: {error}")))
}

/// A string as JSON.
pub(super) fn string(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use proto::etcdserverpb as pb;

    use super::super::routes;
    use super::{read, write};

    fn request(path: &str, json: &str) -> Result<Vec<u8>, tonic::Status> {
        let input = routes::find(path).unwrap().method.input();
        read(input, json.as_bytes()).map(|message| message.encode_to_vec())
    }

    fn range(json: &str) -> pb::RangeRequest {
        pb::RangeRequest::decode(&request("/v3/kv/range", json).unwrap()[..]).unwrap()
    }

    #[test]
    fn what_clients_write_is_understood() {
        let expected = pb::RangeRequest {
            key: b"\xff\xfe".as_slice().into(),
            range_end: "b".into(),
            limit: 7,
            sort_order: 2,
            count_only: true,
            ..Default::default()
        };
        for json in [
            r#"{"key":"//4=","range_end":"Yg==","limit":"7","sort_order":"DESCEND","count_only":true}"#,
            r#"{"key":"__4","rangeEnd":"Yg","limit":7,"sortOrder":2,"countOnly":true,"new":{"x":1}}"#,
        ] {
            assert_eq!(range(json), expected, "{json}");
        }
        for json in ["", " ", "null", "{}", "{\"key\":null}", "{} trailing"] {
            assert_eq!(range(json), pb::RangeRequest::default(), "{json}");
        }
        // Patroni writes it so, APISIX the other way.
        let txn = |json| pb::TxnRequest::decode(&request("/v3/kv/txn", json).unwrap()[..]).unwrap();
        let patroni = txn(r#"{"compare":[{"key":"YQ==","target":"CREATE","create_revision":"0"}],
                "success":[{"request_put":{"key":"YQ==","value":"Yg==","lease":"5"}}]}"#);
        let apisix = txn(r#"{"compare":[{"key":"YQ==","target":"CREATE","createRevision":0}],
                "success":[{"requestPut":{"key":"YQ==","value":"Yg==","lease":5}}]}"#);
        assert_eq!(patroni, apisix);
        assert!(patroni.compare[0].target_union.is_some() && patroni.success[0].request.is_some());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for json in [
            "{",
            "[]",
            "7",
            "{\"key\":5}",
            "{\"key\":\"*\"}",
            "{\"limit\":\"x\"}",
            "{\"limit\":1.5}",
            "{\"sort_order\":\"NONSENSE\"}",
            "{\"key\":\"\\ud800\"}",
            "\u{0}",
        ] {
            let status = request("/v3/kv/range", json).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{json}");
        }
        let levels = 1_000_000;
        let deep = [r#"{"success":[{"request_txn":"#.repeat(levels), "1".to_owned()].concat();
        assert!(request("/v3/kv/txn", &deep).is_err());
        let unknown = [r#"{"x":"#.repeat(levels), "1".to_owned()].concat();
        assert!(request("/v3/kv/txn", &unknown).is_err());
    }

    #[test]
    fn answers_are_written_as_etcd_writes_them() {
        let output = routes::find("/v3/kv/range").unwrap().method.output();
        let kv = proto::mvccpb::KeyValue {
            key: "foo".into(),
            create_revision: 2,
            lease: -3,
            ..Default::default()
        };
        let header = pb::ResponseHeader { cluster_id: u64::MAX, ..Default::default() };
        let answer =
            pb::RangeResponse { header: Some(header), kvs: vec![kv], ..Default::default() };
        let mut message = prost_reflect::DynamicMessage::new(output);
        message.merge(&answer.encode_to_vec()[..]).unwrap();
        let mut text = Vec::new();
        write(&message, &mut text).unwrap();
        let expected = concat!(
            r#"{"header":{"cluster_id":"18446744073709551615"},"#,
            r#""kvs":[{"key":"Zm9v","create_revision":"2","lease":"-3"}]}"#
        );
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    proptest! {
        /// Whatever comes is a message or an error.
        #[test]
        fn garbage_is_answered(json in r#"[\{\}\[\]:,"a-z_0-9\\\.\-+eE u]{0,60}"#, bytes: Vec<u8>) {
            for path in ["/v3/kv/txn", "/v3/watch", "/v3/election/proclaim"] {
                let input = routes::find(path).unwrap().method.input();
                drop(read(input.clone(), json.as_bytes()));
                drop(read(input, &bytes));
            }
        }
    }
}
