//! Hashes that etcd made, of users that came from there: bcrypt, only to be checked.

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::NO_PAD;
use blowfish::Blowfish;

/// The logarithm of how often the key is put in: etcd takes 10 if nothing is said. Above this a log in would
/// take seconds.
const COST_MOST: u32 = 16;
/// Bytes of a password that count, with the zero behind it.
const KEY: usize = 72;
const SALT: usize = 16;
/// Bytes of the result that are kept.
const HASH: usize = 23;
/// What is enciphered: `OrpheanBeholderScryDoubt`.
const TEXT: &[u8; 24] = b"OrpheanBeholderScryDoubt";
const TIMES: u32 = 64;

/// Whether `text`, as bcrypt writes it, is of this password.
pub(super) fn is_of(text: &[u8], password: &[u8]) -> bool {
    let Some((cost, salt, wanted)) = parse(text) else { return false };
    let mut key = password.to_vec();
    key.push(0);
    key.truncate(KEY);
    let hash = derive(cost, &salt, &key);
    // In the same time wherever they differ.
    let differ = hash.iter().zip(&wanted).fold(0, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differ) == 0
}

/// `$2a$`, the cost as two digits, `$`, salt and hash in an alphabet of its own.
fn parse(text: &[u8]) -> Option<(u32, [u8; SALT], [u8; HASH])> {
    let text = std::str::from_utf8(text).ok()?;
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|front| text.strip_prefix(front))?;
    let (cost, rest) = rest.split_once('$')?;
    let cost = cost.parse().ok().filter(|cost| (4..=COST_MOST).contains(cost))?;
    let (salt, hash) = rest.split_at_checked(22)?;
    let engine = GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));
    let decode = |text: &str| engine.decode(text).ok();
    Some((cost, decode(salt)?.try_into().ok()?, decode(hash)?.try_into().ok()?))
}

fn derive(cost: u32, salt: &[u8], key: &[u8]) -> [u8; HASH] {
    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, key);
    for _ in 0..1_u32 << cost {
        state.bc_expand_key(key);
        state.bc_expand_key(salt);
    }
    let mut hash = [0; HASH];
    for (text, out) in TEXT.chunks_exact(8).zip(hash.chunks_mut(8)) {
        let word =
            |at: usize| u32::from_be_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]);
        let mut words = [word(0), word(4)];
        for _ in 0..TIMES {
            words = state.bc_encrypt(words);
        }
        let bytes = [words[0].to_be_bytes(), words[1].to_be_bytes()].concat();
        out.copy_from_slice(&bytes[..out.len()]);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::is_of;

    /// Of jBCrypt's own tests.
    #[test]
    fn passwords_are_those_that_others_hashed() {
        let known = [
            ("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", ""),
            ("$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i", "abc"),
        ];
        for (hash, password) in known {
            assert!(is_of(hash.as_bytes(), password.as_bytes()), "{hash}");
            assert!(!is_of(hash.as_bytes(), b"another"), "{hash}");
        }
        for bad in
            ["", "$2a$", "$2a$31$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", "$2a$06$x"]
        {
            assert!(!is_of(bad.as_bytes(), b""), "{bad}");
        }
    }
}
