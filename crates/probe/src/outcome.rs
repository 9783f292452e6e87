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
        let mut output = output.into();
        if output.len() > OUTPUT_BYTES {
            let mut end = OUTPUT_BYTES;
            while !output.is_char_boundary(end) {
                end -= 1;
            }
            output.truncate(end);
        }
        // What keeps the output cannot keep these.
        let output = output.replace('\0', "\u{fffd}");
        Self { standing, output }
    }

    pub(crate) fn passing(output: impl Into<String>) -> Self {
        Self::new(Standing::Passing, output)
    }

    pub(crate) fn critical(output: impl Into<String>) -> Self {
        Self::new(Standing::Critical, output)
    }
}
