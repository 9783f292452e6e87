//! What stands between double quotes, with Go's escapes.

/// The text that is meant.
///
/// # Errors
/// What is wrong, and at which byte.
pub(super) fn unquote(inner: &str) -> Result<String, (usize, &'static str)> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    loop {
        let Some(escape) = rest.find(['\\', '\n']) else {
            bytes.extend_from_slice(rest.as_bytes());
            let broken = (0, "a string that is no UTF-8");
            return String::from_utf8(bytes).map_err(|_| broken);
        };
        let at = inner.len() - rest.len() + escape;
        bytes.extend_from_slice(&rest.as_bytes()[..escape]);
        rest = &rest[escape..];
        if rest.starts_with('\n') {
            return Err((at, "a line ends within a string"));
        }
        rest = escaped(&rest[1..], &mut bytes).ok_or((at, "an escape that is not known"))?;
    }
}

/// Writes what an escape means, and gives back what follows it.
fn escaped<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let plain = match kind {
        'a' => Some(7),
        'b' => Some(8),
        't' => Some(b'\t'),
        'n' => Some(b'\n'),
        'v' => Some(11),
        'f' => Some(12),
        'r' => Some(b'\r'),
        '\\' => Some(b'\\'),
        _ => None,
    };
    if let Some(byte) = plain {
        bytes.push(byte);
        return text.get(1..);
    }
    let (start, digits, radix) = match kind {
        'x' => (1, 2, 16),
        'u' => (1, 4, 16),
        'U' => (1, 8, 16),
        '0'..='7' => (0, 3, 8),
        _ => return None,
    };
    let number = text.get(start..start + digits)?;
    if number.starts_with('+') {
        return None;
    }
    let number = u32::from_str_radix(number, radix).ok()?;
    if matches!(kind, 'u' | 'U') {
        let character = char::from_u32(number)?;
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        bytes.push(u8::try_from(number).ok()?);
    }
    text.get(start + digits..)
}
