//! Outcomes, as session records and forwarded answers carry them.

use bytes::Bytes;
use types::{Code, Fault};

use super::VERSION;
use super::primitives::{CodecError, Cursor, Writer};
use super::records::{
    get_alarm, get_keyspace, get_node, get_plan, put_alarm, put_keyspace, put_node, put_plan,
};
use crate::registry::codec::{get_answer, put_answer};
use crate::response::{KeyValue, Outcome, RangeResponse, Response};

impl Outcome {
    /// The outcome as bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::with_capacity(32);
        out.byte(VERSION);
        out.revision(self.revision);
        match &self.result {
            Ok(response) => {
                out.byte(0);
                put_response(&mut out, response);
            }
            Err(fault) => {
                out.byte(fault.code as u8);
                out.bytes(fault.detail.as_bytes());
            }
        }
        out.finish()
    }

    /// The outcome in `bytes`; its byte strings are slices of them.
    ///
    /// # Errors
    /// When the bytes are not exactly one outcome of a known version.
    pub fn decode(bytes: Bytes) -> Result<Self, CodecError> {
        let mut from = Cursor::new(bytes);
        if from.byte()? != VERSION {
            return Err(from.error("an outcome of an unknown version"));
        }
        let revision = from.revision()?;
        let result = match from.byte()? {
            0 => Ok(get_response(&mut from, 0)?),
            number => {
                let code = Code::from_u8(number).ok_or_else(|| from.error("an unknown code"))?;
                Err(Fault::new(code, from.text()?))
            }
        };
        from.end()?;
        Ok(Self { revision, result })
    }
}

pub(crate) fn put_key_value(out: &mut Writer, kv: &KeyValue) {
    out.bytes(&kv.key);
    out.bytes(&kv.value);
    out.revision(kv.create_revision);
    out.revision(kv.mod_revision);
    out.signed(kv.version);
    out.lease(kv.lease);
    out.number(kv.flags);
    out.number(kv.lock_index);
    out.bytes(&kv.session);
}

pub(crate) fn get_key_value(from: &mut Cursor) -> Result<KeyValue, CodecError> {
    Ok(KeyValue {
        key: from.bytes()?,
        value: from.bytes()?,
        create_revision: from.revision()?,
        mod_revision: from.revision()?,
        version: from.signed()?,
        lease: from.lease()?,
        flags: from.number()?,
        lock_index: from.number()?,
        session: from.bytes()?,
    })
}

fn put_list(out: &mut Writer, kvs: &[KeyValue]) {
    out.number(kvs.len() as u64);
    for kv in kvs {
        put_key_value(out, kv);
    }
}

fn put_response(out: &mut Writer, response: &Response) {
    match response {
        Response::Put { prev } => {
            out.byte(0);
            out.flag(prev.is_some());
            if let Some(prev) = prev {
                put_key_value(out, prev);
            }
        }
        Response::Delete { deleted, prev } => {
            out.byte(1);
            out.signed(*deleted);
            put_list(out, prev);
        }
        Response::Range(range) => {
            out.byte(2);
            put_list(out, &range.kvs);
            out.flag(range.more);
            out.signed(range.count);
        }
        Response::Txn { succeeded, responses } => {
            out.byte(3);
            out.flag(*succeeded);
            out.number(responses.len() as u64);
            for response in responses {
                put_response(out, response);
            }
        }
        Response::Compacted => out.byte(4),
        Response::LeaseGranted { id, ttl_seconds } => {
            out.byte(5);
            out.lease(*id);
            out.signed(*ttl_seconds);
        }
        Response::LeaseRevoked => out.byte(6),
        Response::Alarms(alarms) => {
            out.byte(11);
            out.number(alarms.len() as u64);
            for alarm in alarms {
                put_alarm(out, *alarm);
            }
        }
        Response::Keyspace(keyspace) => {
            out.byte(if keyspace.machine.is_some() { 9 } else { 7 });
            put_keyspace(out, keyspace);
        }
        Response::Node(node) => {
            out.byte(12);
            put_node(out, node);
        }
        Response::Executed(answer) => {
            out.byte(10);
            out.bytes(answer);
        }
        Response::Registry(answer) => {
            out.byte(13);
            put_answer(out, answer);
        }
        Response::Planned(plan) => {
            out.byte(14);
            put_plan(out, plan);
        }
        Response::Done => out.byte(8),
    }
}

fn get_response(from: &mut Cursor, depth: usize) -> Result<Response, CodecError> {
    if depth > types::limits::TXN_DEPTH {
        return Err(from.error("answers nested too deep"));
    }
    Ok(match from.byte()? {
        0 => Response::Put { prev: if from.flag()? { Some(get_key_value(from)?) } else { None } },
        1 => Response::Delete { deleted: from.signed()?, prev: from.list(get_key_value)? },
        2 => Response::Range(RangeResponse {
            kvs: from.list(get_key_value)?,
            more: from.flag()?,
            count: from.signed()?,
        }),
        3 => Response::Txn {
            succeeded: from.flag()?,
            responses: from.list(|from| get_response(from, depth + 1))?,
        },
        4 => Response::Compacted,
        5 => Response::LeaseGranted { id: from.lease()?, ttl_seconds: from.signed()? },
        6 => Response::LeaseRevoked,
        7 => Response::Keyspace(get_keyspace(from, false)?),
        8 => Response::Done,
        9 => Response::Keyspace(get_keyspace(from, true)?),
        10 => Response::Executed(from.bytes()?),
        11 => Response::Alarms(from.list(get_alarm)?),
        12 => Response::Node(get_node(from)?),
        13 => Response::Registry(get_answer(from)?),
        14 => Response::Planned(get_plan(from)?),
        _ => return Err(from.error("an unknown answer")),
    })
}
