use serde::Serialize;

/// Bytes before the JSON: the checksum in hexadecimal, and a space.
const HEAD: usize = 9;

/// What every line begins with.
#[derive(Serialize)]
struct Stamped<'a, T> {
    /// Milliseconds since 1970.
    at: u64,
    /// Milliseconds since the process was started, on a clock nobody sets.
    up: u64,
    #[serde(flatten)]
    what: &'a T,
}

/// Appends one record as a line.
pub(super) fn write(out: &mut Vec<u8>, at: u64, up: u64, what: &impl Serialize) {
    let start = out.len();
    out.extend_from_slice(&[b' '; HEAD]);
    if serde_json::to_writer(&mut *out, &Stamped { at, up, what }).is_err() {
        // Nothing in a record can fail to be written; if it does, the line was never there.
        out.truncate(start);
        return;
    }
    let sum = format!("{:08x}", crc32c::crc32c(&out[start + HEAD..]));
    out[start..start + 8].copy_from_slice(sum.as_bytes());
    out.push(b'\n');
}

/// The JSON of a line without its end, if its checksum fits.
pub(super) fn json(line: &[u8]) -> Option<&[u8]> {
    let (head, json) = line.split_at_checked(HEAD)?;
    let sum = u32::from_str_radix(std::str::from_utf8(&head[..8]).ok()?, 16).ok()?;
    (head[8] == b' ' && sum == crc32c::crc32c(json)).then_some(json)
}
