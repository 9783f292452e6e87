//! Where results go.

use std::io::{self, BufWriter, StdoutLock, Write};

use serde::Serialize;

use super::failure::Done;

/// How results are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: columns; keys and values that are not plain text are escaped.
    Table,
    /// For programs: one JSON value; commands that go on print one object per line.
    Json,
}

/// Standard output, buffered.
pub(crate) type Out = BufWriter<StdoutLock<'static>>;

/// Standard output.
pub(crate) fn out() -> Out {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// `value` on a line of its own, sent at once.
pub(crate) fn line(out: &mut Out, value: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Runs a command on a thread.
pub(super) fn block_on(
    command: impl Future<Output = anyhow::Result<Done>>,
) -> anyhow::Result<Done> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(command);
    // Name look-ups and the like may still be under way; nobody waits for them.
    runtime.shutdown_background();
    result
}
