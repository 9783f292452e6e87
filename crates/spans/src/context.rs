//! A place in a trace, as it travels: in the header `traceparent` (W3C Trace Context, level 1), and between
//! nodes.

/// The header, and the metadata of gRPC, that clients say it in.
pub const TRACEPARENT: &str = "traceparent";
/// Bytes of a context between nodes.
pub const CONTEXT_BYTES: usize = 16 + 8 + 1;

const SAMPLED: u8 = 1;
/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const LENGTH: usize = 55;

/// Which trace, which span of it, and whether somebody wants to see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
    pub(crate) sampled: bool,
}

impl Context {
    /// What a client says; `None` for what is not as the standard has it, which is as if it said nothing.
    #[must_use]
    pub fn parse(header: &[u8]) -> Option<Self> {
        let fields = header.get(..LENGTH)?;
        let version: [u8; 1] = digits(&fields[..2])?;
        match (version[0], header.get(LENGTH)) {
            (0, None) | (1..=0xfe, None | Some(b'-')) => {}
            _ => return None,
        }
        if [fields[2], fields[35], fields[52]] != *b"---" {
            return None;
        }
        let (trace, span) = (digits(&fields[3..35])?, digits(&fields[36..52])?);
        let flags: [u8; 1] = digits(&fields[53..])?;
        Self { trace, span, sampled: flags[0] & SAMPLED != 0 }.if_sound()
    }

    /// As it goes to another node.
    #[must_use]
    pub fn to_bytes(self) -> [u8; CONTEXT_BYTES] {
        let mut bytes = [0; CONTEXT_BYTES];
        bytes[..16].copy_from_slice(&self.trace);
        bytes[16..24].copy_from_slice(&self.span);
        bytes[24] = u8::from(self.sampled);
        bytes
    }

    /// As it comes from another node; what follows is for later versions.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let trace = bytes.get(..16)?.try_into().ok()?;
        let span = bytes.get(16..24)?.try_into().ok()?;
        let sampled = bytes.get(24)? & SAMPLED != 0;
        Self { trace, span, sampled }.if_sound()
    }

    /// Whether whoever began it wants to see it.
    #[must_use]
    pub fn is_sampled(self) -> bool {
        self.sampled
    }

    /// Ids of zeros are none.
    fn if_sound(self) -> Option<Self> {
        (self.trace != [0; 16] && self.span != [0; 8]).then_some(self)
    }
}

/// As the header has it.
impl std::fmt::Display for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace), u64::from_be_bytes(self.span));
        write!(formatter, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// Bytes as pairs of digits, in lower case as the standard wants them.
fn digits<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Context;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_the_standard_refuses_is_passed_over() {
        assert!(Context::parse(GOOD.as_bytes()).unwrap().is_sampled());
        let later = format!("cc{}-what comes later", &GOOD[2..]);
        assert_eq!(Context::parse(later.as_bytes()), Context::parse(GOOD.as_bytes()));
        for wrong in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("{GOOD} "),
            &format!("ff{}", &GOOD[2..]),
            &format!("cc{}.", &GOOD[2..]),
            &GOOD.to_uppercase(),
            &GOOD.replace('-', "_"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        ] {
            assert_eq!(Context::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn contexts_come_back_both_ways(
            trace in any::<[u8; 16]>(),
            span in any::<[u8; 8]>(),
            sampled in any::<bool>(),
            more in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            prop_assume!(trace != [0; 16] && span != [0; 8]);
            let context = Context { trace, span, sampled };
            prop_assert_eq!(Context::parse(context.to_string().as_bytes()), Some(context));
            let mut bytes = context.to_bytes().to_vec();
            for end in 0..bytes.len() {
                prop_assert_eq!(Context::from_bytes(&bytes[..end]), None);
            }
            bytes.extend(more);
            prop_assert_eq!(Context::from_bytes(&bytes), Some(context));
        }

        #[test]
        fn whatever_comes_is_a_context_or_none(
            mut header in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                Just(GOOD.as_bytes().to_vec()),
            ],
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            if !header.is_empty() {
                let at = at.index(header.len());
                header[at] = byte;
            }
            let _ = Context::from_bytes(&header);
            if let Some(context) = Context::parse(&header) {
                // It says the same again, in the version that we speak.
                let again = context.to_string();
                prop_assert_eq!(&again.as_bytes()[2..53], &header[2..53]);
            }
        }
    }
}
