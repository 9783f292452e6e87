use std::sync::Arc;

use super::Event;
use crate::shared::Shared;

/// From now on every panic of this process is recorded before it is told as before. The hook stays
/// for as long as the process; it does nothing once the node is gone.
pub(crate) fn record(shared: &Arc<Shared>) {
    let shared = Arc::downgrade(shared);
    let told_before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(shared) = shared.upgrade() {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("not a text").to_owned();
            let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
            shared.flight.note(Event::Panic { thread, message, place });
        }
        told_before(panic);
    }));
}
