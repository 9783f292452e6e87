/// Bytes that are kept of what was answered.
pub(crate) const OUTPUT_BYTES: usize = 4_000;

/// How something stands, by one look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It answered well.
    Passing,
    /// It answered that it has too much to do (HTTP 429).
    Warning,
    /// It did not answer, or not well.
    Critical,
}

/// What came of one look.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How it stands.
    pub standing: Standing,
    /// What was answered, or why nothing was; at most 4,000 bytes.
    pub output: String,
}

impl Outcome {
    pub(crate) fn new(standing: Standing, output: impl Into<String>) -> Self {
        // What keeps the output cannot keep zero bytes.
        let mut output = output.into().replace('\0', "\u{fffd}");
        if output.len() > OUTPUT_BYTES {
            let mut end = OUTPUT_BYTES;
            while !output.is_char_boundary(end) {
                end -= 1;
            }
            output.truncate(end);
        }
        Self { standing, output }
    }

    pub(crate) fn passing(output: impl Into<String>) -> Self {
        Self::new(Standing::Passing, output)
    }

    pub(crate) fn critical(output: impl Into<String>) -> Self {
        Self::new(Standing::Critical, output)
    }
}

#[cfg(test)]
mod tests {
    use super::{OUTPUT_BYTES, Outcome};

    #[test]
    fn no_output_is_longer_than_what_is_kept() {
        for text in ["\0".repeat(4_000), "ä".repeat(4_000), "x".repeat(9_000), String::new()] {
            let kept = Outcome::critical(text).output;
            assert!(kept.len() <= OUTPUT_BYTES && !kept.contains('\0'), "{} bytes", kept.len());
        }
    }
}
