//! The trace that a task works for, for what cannot be handed one: between a front door and the node behind
//! it are services of others' shapes.

use std::future::Future;

use crate::span::Trace;

tokio::task_local! {
    static CURRENT: Trace;
}

/// Has `work` done in the name of `trace`.
pub async fn within<F: Future>(trace: Trace, work: F) -> F::Output {
    CURRENT.scope(trace, work).await
}

/// In whose name this task works, if it is traced.
#[must_use]
pub fn current() -> Option<Trace> {
    CURRENT.try_with(Trace::clone).ok()
}
