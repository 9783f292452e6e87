//! A value that is asked for often, and that somebody may wait for. What waiting takes (400 bytes of a
//! channel) is there only while somebody does: of 10,000 regions hardly any has one who waits.

use parking_lot::RwLock;
use tokio::sync::watch;

/// Such a value.
pub(crate) struct Watched<T>(RwLock<State<T>>);

struct State<T> {
    value: T,
    /// Has the same value.
    sender: Option<watch::Sender<T>>,
}

impl<T: Copy + PartialEq> Watched<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RwLock::new(State { value, sender: None }))
    }

    pub(crate) fn get(&self) -> T {
        self.0.read().value
    }

    /// Tells whoever waits, also of a value that is the same.
    pub(crate) fn set(&self, value: T) {
        let mut state = self.0.write();
        state.value = value;
        // Who begins to wait does so under the lock: nobody is missed.
        state.sender = state.sender.take().filter(|sender| sender.send(value).is_ok());
    }

    /// [`Self::set`], but of a value that is the same nobody is told.
    pub(crate) fn change(&self, value: T) {
        if self.get() != value {
            self.set(value);
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<T> {
        let mut state = self.0.write();
        let value = state.value;
        state.sender.get_or_insert_with(|| watch::Sender::new(value)).subscribe()
    }

    /// How many wait for news of it.
    #[cfg(test)]
    pub(crate) fn watchers(&self) -> usize {
        self.0.read().sender.as_ref().map_or(0, watch::Sender::receiver_count)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::Watched;

    #[test]
    fn whoever_waits_is_told_and_the_channel_is_there_only_while_somebody_does() {
        let watched = Watched::new(1);
        watched.set(2);
        let (mut one, mut other) = (watched.watch(), watched.watch());
        assert_eq!((*one.borrow(), watched.watchers()), (2, 2));
        watched.set(3);
        assert!(one.changed().now_or_never().is_some());
        assert_eq!((*one.borrow_and_update(), watched.get()), (3, 3));
        watched.change(3);
        assert!(one.changed().now_or_never().is_none(), "the same");
        drop(one);
        watched.set(4);
        assert_eq!(*other.borrow_and_update(), 4);
        drop(other);
        assert!(watched.0.read().sender.is_some());
        watched.set(5);
        assert!(watched.0.read().sender.is_none());
        assert_eq!(*watched.watch().borrow(), 5);
    }
}
