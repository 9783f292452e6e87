//! Answers, inside of outcomes.

use super::operation::{get_result, put_result};
use crate::codec::primitives::{CodecError, Cursor, Writer};
use crate::registry::answer::RegistryAnswer;
use crate::registry::name::TimerId;
use crate::registry::operation::TxnError;

pub(crate) fn put_answer(out: &mut Writer, answer: &RegistryAnswer) {
    match answer {
        RegistryAnswer::Done { changed } => {
            out.byte(0);
            out.flag(*changed);
        }
        RegistryAnswer::Registered { changed, timer } => {
            out.byte(5);
            out.flag(*changed);
            // No timer has this number: the first revision made the first one.
            out.number(timer.map_or(0, |timer| timer.0));
        }
        RegistryAnswer::Granted(granted) => {
            out.byte(1);
            out.flag(*granted);
        }
        RegistryAnswer::Expired(count) => {
            out.byte(2);
            out.number(*count);
        }
        RegistryAnswer::TxnDone(results) => {
            out.byte(3);
            out.number(results.len() as u64);
            results.iter().for_each(|result| put_result(out, result));
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
        3 => RegistryAnswer::TxnDone(from.list(get_result)?),
        4 => RegistryAnswer::TxnRefused(
            from.list(|from| Ok(TxnError { op: from.small()?, what: from.text()? }))?,
        ),
        5 => RegistryAnswer::Registered {
            changed: from.flag()?,
            timer: Some(from.number()?).filter(|timer| *timer != 0).map(TimerId),
        },
        _ => return Err(from.error("an unknown answer of the registry")),
    })
}
