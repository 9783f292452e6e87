//! Threads.

/// Waits for a spawned thread; dropping it lets the thread go on.
pub type Joined = Box<dyn FnOnce() + Send>;

/// Starts the long-lived workers of a node (pollers, the log writer, appliers).
pub trait Spawn: Send + Sync {
    /// Runs `work` on a thread of its own called `name`; the answer waits for its end.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    fn spawn(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> std::io::Result<Joined>;
}
