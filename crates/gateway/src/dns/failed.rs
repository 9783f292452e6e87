/// No member says anything to it.
pub(super) const SERVER_FAILURE: u8 = 2;
/// A member does not answer whoever this is.
pub(super) const REFUSED: u8 = 5;

const HEADER_BYTES: usize = 12;
/// A name ends with a label of no bytes; a longer label than this is none.
const LABEL_BYTES: u8 = 63;

/// The query as an answer that says only that it failed; `None` for what is no query.
pub(super) fn failed(query: &[u8], code: u8) -> Option<Vec<u8>> {
    const IS_ANSWER: u8 = 0x80;
    /// What kind of question it is, and whether it may be passed on: given back as they were.
    const GIVEN_BACK: u8 = 0x79;
    let header = query.get(..HEADER_BYTES)?;
    if header[2] & IS_ANSWER != 0 {
        return None;
    }
    let question = question(query).unwrap_or_default();
    let mut answer = [header, question].concat();
    answer[2] = IS_ANSWER | (header[2] & GIVEN_BACK);
    answer[3] = code;
    answer[4..HEADER_BYTES].fill(0);
    answer[5] = u8::from(!question.is_empty());
    Some(answer)
}

/// The one question there is.
fn question(query: &[u8]) -> Option<&[u8]> {
    if query.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        match *query.get(at)? {
            0 => return query.get(HEADER_BYTES..at + 5),
            label if label <= LABEL_BYTES => at += usize::from(label) + 1,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{REFUSED, failed};

    #[test]
    fn a_failure_has_its_question_and_nothing_of_rubbish() {
        let mut query = vec![7, 9, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 1];
        let question = [3, b'w', b'e', b'b', 0, 0, 1, 0, 1];
        query.extend_from_slice(&question);
        query.extend_from_slice(&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
        let answer = failed(&query, REFUSED).unwrap();
        assert_eq!(answer[..12], [7, 9, 0x81, REFUSED, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(answer[12..], question);
        assert!(failed(&answer, REFUSED).is_none(), "an answer gets none");
        for length in 0..query.len() {
            let answer = failed(&query[..length], REFUSED);
            assert_eq!(answer.is_some(), length >= 12);
        }
        query[12] = 0xc0;
        assert_eq!(failed(&query, REFUSED).unwrap().len(), 12);
    }
}
