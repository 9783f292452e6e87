/// Things under tickets that are never given out twice.
pub(crate) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    content: Option<T>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Table<T> {
    /// A ticket, in use until [`Self::give_back`].
    pub(crate) fn reserve(&mut self) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, content: None });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        u64::from(self.slots[at as usize].generation) << 32 | u64::from(at)
    }

    pub(crate) fn put(&mut self, ticket: u64, content: T) {
        if let Some(slot) = self.slot(ticket) {
            slot.content = Some(content);
        }
    }

    /// What is there now, and stays; `None` for an old ticket.
    pub(crate) fn get(&mut self, ticket: u64) -> Option<&mut T> {
        self.slot(ticket)?.content.as_mut()
    }

    /// Takes what is there, and keeps the place.
    pub(crate) fn lift(&mut self, ticket: u64) -> Option<T> {
        self.slot(ticket)?.content.take()
    }

    /// The ticket means nothing any more.
    pub(crate) fn give_back(&mut self, ticket: u64) {
        if let Some(slot) = self.slot(ticket) {
            slot.content = None;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push((ticket & u64::from(u32::MAX)) as u32);
        }
    }

    /// How many tickets are in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tickets under which something is.
    pub(crate) fn tickets(&self) -> Vec<u64> {
        let slots = self.slots.iter().zip(0_u64..);
        let used = slots.filter(|(slot, _)| slot.content.is_some());
        used.map(|(slot, at)| u64::from(slot.generation) << 32 | at).collect()
    }

    fn slot(&mut self, ticket: u64) -> Option<&mut Slot<T>> {
        let generation = u32::try_from(ticket >> 32).ok()?;
        let slot = self.slots.get_mut((ticket & u64::from(u32::MAX)) as usize)?;
        (slot.generation == generation).then_some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn an_old_ticket_finds_nothing() {
        let mut table = Table::default();
        let first = table.reserve();
        table.put(first, 'a');
        assert_eq!(table.tickets(), [first]);
        assert_eq!(table.lift(first), Some('a'));
        table.give_back(first);
        assert!(table.is_empty());
        let second = table.reserve();
        assert_ne!(first, second);
        table.put(second, 'b');
        table.give_back(first);
        assert_eq!(table.get(first), None);
        assert_eq!(table.lift(first), None);
        assert_eq!(table.get(second), Some(&mut 'b'));
    }
}
