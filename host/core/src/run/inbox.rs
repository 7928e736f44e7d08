//! What was sent to a run and nobody has taken yet, and the steps that wait for more.

use super::record::InstanceIx;
use crate::payload::Payload;
use crate::plan::{Channel, StepIx};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// An event or a queue by its name.
pub(crate) type Address = (Channel, Arc<str>);

/// Names a step that waits, in the order of coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    boxes: BTreeMap<Address, Mailbox>,
    unread: u32,
    next_ticket: u64,
}

#[derive(Clone, Debug, Default)]
struct Mailbox {
    /// Oldest first.
    unread: VecDeque<Payload>,
    waiting: BTreeMap<Ticket, (InstanceIx, StepIx)>,
}

impl Mailbox {
    fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.waiting.is_empty()
    }
}

impl Inbox {
    /// So many events and messages nobody has taken.
    pub(crate) fn unread(&self) -> u32 {
        self.unread
    }

    /// Keeps what came; returns its position among the unread of this address.
    pub(crate) fn put(&mut self, address: Address, data: Payload) -> usize {
        self.unread += 1;
        let unread = &mut self.boxes.entry(address).or_default().unread;
        unread.push_back(data);
        unread.len() - 1
    }

    /// The one at this position.
    pub(crate) fn peek(&self, address: &Address, position: usize) -> Option<&Payload> {
        self.boxes.get(address)?.unread.get(position)
    }

    /// Takes the one at this position.
    pub(crate) fn take(&mut self, address: &Address, position: usize) -> Option<Payload> {
        let mailbox = self.boxes.get_mut(address)?;
        let data = mailbox.unread.remove(position)?;
        self.unread -= 1;
        if mailbox.is_empty() {
            self.boxes.remove(address);
        }
        Some(data)
    }

    /// A step waits from now on, behind those that do already.
    pub(crate) fn wait(&mut self, address: Address, step: (InstanceIx, StepIx)) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.boxes.entry(address).or_default().waiting.insert(ticket, step);
        ticket
    }

    /// A step does not wait any more.
    pub(crate) fn forget(&mut self, address: &Address, ticket: Ticket) {
        let Some(mailbox) = self.boxes.get_mut(address) else { return };
        mailbox.waiting.remove(&ticket);
        if mailbox.is_empty() {
            self.boxes.remove(address);
        }
    }

    /// The first step that waits behind `after`, or of all.
    pub(crate) fn waiting(
        &self,
        address: &Address,
        after: Option<Ticket>,
    ) -> Option<(Ticket, (InstanceIx, StepIx))> {
        let first = after.map_or(Ticket(0), |Ticket(nth)| Ticket(nth + 1));
        let (ticket, step) = self.boxes.get(address)?.waiting.range(first..).next()?;
        Some((*ticket, *step))
    }

    /// All that is unread, oldest first for each address.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Channel, Arc<str>, Payload)> + '_ {
        self.boxes.iter().flat_map(|((channel, name), mailbox)| {
            mailbox.unread.iter().map(|data| (*channel, name.clone(), data.clone()))
        })
    }

    /// Where steps wait and something is unread.
    pub(crate) fn busy(&self) -> Vec<Address> {
        let is_busy = |mailbox: &Mailbox| !mailbox.unread.is_empty() && !mailbox.waiting.is_empty();
        self.boxes
            .iter()
            .filter(|(_, mailbox)| is_busy(mailbox))
            .map(|(address, _)| address.clone())
            .collect()
    }
}
