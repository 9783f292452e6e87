//! Answers, inside of outcomes.

use crate::codec::outcome::{get_key_value, put_key_value};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::answer::RegistryAnswer;
use crate::registry::kv::TxnError;

pub(crate) fn put_answer(out: &mut Writer, answer: &RegistryAnswer) {
    match answer {
        RegistryAnswer::Done { changed } => {
            out.byte(0);
            out.flag(*changed);
        }
        RegistryAnswer::Granted(granted) => {
            out.byte(1);
            out.flag(*granted);
        }
        RegistryAnswer::Expired(count) => {
            out.byte(2);
            out.number(*count);
        }
        RegistryAnswer::TxnDone(kvs) => {
            out.byte(3);
            out.number(kvs.len() as u64);
            kvs.iter().for_each(|kv| put_key_value(out, kv));
        }
        RegistryAnswer::TxnRefused(errors) => {
            out.byte(4);
            out.number(errors.len() as u64);
            for error in errors {
                out.number(u64::from(error.op));
                out.bytes(error.what.as_bytes());
            }
        }
    }
}

pub(crate) fn get_answer(from: &mut Cursor) -> Result<RegistryAnswer, CodecError> {
    Ok(match from.byte()? {
        0 => RegistryAnswer::Done { changed: from.flag()? },
        1 => RegistryAnswer::Granted(from.flag()?),
        2 => RegistryAnswer::Expired(from.number()?),
        3 => RegistryAnswer::TxnDone(from.list(get_key_value)?),
        4 => RegistryAnswer::TxnRefused(
            from.list(|from| Ok(TxnError { op: from.small()?, what: from.text()? }))?,
        ),
        _ => return Err(from.error("an unknown answer of the registry")),
    })
}
