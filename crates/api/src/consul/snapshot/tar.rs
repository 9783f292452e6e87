//! The few things about tar archives that a snapshot needs: plain files with short names (`ustar`).

/// Bytes of a head, and what everything is filled up to.
const BLOCK: usize = 512;
/// Where the fields of a head are.
const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
/// Files in an archive: nobody has to be asked for more.
const FILES: usize = 16;

/// Writes a file's head and content.
pub(super) fn put(out: &mut Vec<u8>, name: &str, content: &[u8], seconds: u64) {
    let mut head = [0_u8; BLOCK];
    let mut set = |at: usize, bytes: &[u8]| {
        if let Some(field) = head.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    };
    set(0, name.as_bytes());
    set(100, b"0000600\0");
    set(108, b"0000000\0");
    set(116, b"0000000\0");
    set(SIZE.start, format!("{:011o}\0", content.len()).as_bytes());
    set(136, format!("{seconds:011o}\0").as_bytes());
    set(KIND, b"0");
    set(257, b"ustar\x0000");
    let sum = format!("{:06o}\0 ", sum(&head));
    head[SUM].copy_from_slice(sum.as_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(BLOCK), 0);
}

/// Writes the end.
pub(super) fn end(out: &mut Vec<u8>) {
    out.resize(out.len() + 2 * BLOCK, 0);
}

/// The names and contents of all files.
pub(super) fn files(archive: &[u8]) -> Result<Vec<(&str, &[u8])>, &'static str> {
    let (mut files, mut rest) = (Vec::new(), archive);
    loop {
        let Some((head, after)) = rest.split_first_chunk::<BLOCK>() else {
            return Err("it is cut off");
        };
        if head.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        if octal(&head[SUM]) != Some(sum(head)) {
            return Err("the checksum of a head in it is wrong");
        }
        // Plain files only.
        if !matches!(head[KIND], b'0' | 0) || files.len() == FILES {
            return Err("it has something in it that is not a file of a snapshot");
        }
        let name = head.get(..100).unwrap_or_default();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = core::str::from_utf8(name).map_err(|_| "the name of a file in it is no text")?;
        let size = octal(&head[SIZE]).and_then(|size| usize::try_from(size).ok());
        let content = size.and_then(|size| after.get(..size)).ok_or("it is cut off")?;
        files.push((name, content));
        rest = after.get(content.len().next_multiple_of(BLOCK)..).ok_or("it is cut off")?;
    }
}

/// A head's checksum: of all bytes, those of the checksum taken for spaces.
fn sum(head: &[u8; BLOCK]) -> u64 {
    let own: u64 = head[SUM].iter().map(|byte| u64::from(*byte)).sum();
    let all: u64 = head.iter().map(|byte| u64::from(*byte)).sum();
    all - own + u64::from(b' ') * SUM.len() as u64
}

/// A number as heads have them: octal digits, spaces before, a space or a zero behind.
fn octal(field: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}
