//! Events and messages: each is kept until a step takes it. Whoever waited first is asked first; an event that no
//! filter wants stays for later waits, and a wait that ends otherwise takes nothing along.

use super::attempt::expression_failure;
use super::environment::Local;
use super::inbox::{Address, Ticket};
use super::record::{Detail, InstanceIx, RecordKind};
use super::state::NodePhase;
use super::turn::Turn;
use crate::failure::Failure;
use crate::payload::Payload;
use crate::plan::{Action, Channel, Plan, StepIx};
use std::time::Duration;

impl Turn<'_> {
    /// Lets a step wait until there is something for it, which may be at once.
    pub(crate) fn start_listening(&mut self, at: InstanceIx, step: StepIx) {
        let Some(address) = address_of(self.plan, step) else { return };
        self.note((at, step), RecordKind::StepStarted, Duration::ZERO, Detail::None);
        self.start_limit(at, step);
        let ticket = self.data.inbox.wait(address.clone(), (at, step));
        let Some(node) = self.data.node_mut(self.plan, at, step) else { return };
        node.phase = NodePhase::Waiting;
        node.more().ticket = Some(ticket);
        self.data.waiting += 1;
        self.offer_all(&address, ticket, (at, step), 0);
    }

    /// The step does not wait for what is sent any more.
    pub(crate) fn stop_listening(&mut self, step: StepIx, ticket: Option<Ticket>) {
        if let (Some(ticket), Some(address)) = (ticket, address_of(self.plan, step)) {
            self.data.inbox.forget(&address, ticket);
        }
    }

    /// Something was sent to the run.
    pub(crate) fn deliver(&mut self, address: Address, data: Payload) {
        let (kind, name) = match address.0 {
            Channel::Event => (RecordKind::EventReceived, "event"),
            Channel::Queue => (RecordKind::MessageReceived, "queue"),
        };
        let text = Payload::string(&address.1);
        self.note_run(kind, Detail::Value(Payload::object([(name, &text), ("data", &data)])));
        let position = self.data.inbox.put(address.clone(), data);
        if self.data.pause.is_none() {
            self.offer(&address, position);
        }
    }

    /// What came while the run was paused finds its takers.
    pub(crate) fn offer_unread(&mut self) {
        for address in self.data.inbox.busy() {
            self.offer(&address, 0);
        }
    }

    /// Offers what is unread from `position` on to all that wait for it, in the order of their coming.
    fn offer(&mut self, address: &Address, position: usize) {
        let mut last = None;
        while let Some((ticket, step)) = self.data.inbox.waiting(address, last) {
            if self.data.inbox.peek(address, position).is_none() {
                return;
            }
            self.offer_all(address, ticket, step, position);
            last = Some(ticket);
        }
    }

    /// Lets one step that waits take the first that it wants of what is unread from `position` on.
    fn offer_all(
        &mut self,
        address: &Address,
        ticket: Ticket,
        (at, step): (InstanceIx, StepIx),
        mut position: usize,
    ) {
        while let Some(data) = self.data.inbox.peek(address, position) {
            match self.wants(at, step, address, data) {
                Ok(true) => return self.take_unread(address, ticket, (at, step), position),
                Ok(false) => position += 1,
                Err(failure) => {
                    if let Some(elapsed) = self.resume(at, step) {
                        self.fail_attempt(at, step, failure, elapsed);
                    }
                    return;
                }
            }
        }
    }

    fn wants(
        &self,
        at: InstanceIx,
        step: StepIx,
        address: &Address,
        data: &Payload,
    ) -> Result<bool, Failure> {
        let Action::WaitForEvent(wait) = &self.plan.step(step).action else { return Ok(true) };
        let Some(filter) = &wait.filter else { return Ok(true) };
        let event = Payload::object([("name", &Payload::string(&address.1)), ("data", data)]);
        let local = Local { event: Some(&event), ..Local::default() };
        let verdict = filter.evaluate_bool(&self.view(at, Some(step)).with(local));
        verdict.map_err(|error| expression_failure("filter", &error))
    }

    fn take_unread(
        &mut self,
        address: &Address,
        ticket: Ticket,
        (at, step): (InstanceIx, StepIx),
        position: usize,
    ) {
        let Some(elapsed) = self.resume(at, step) else { return self.data.inbox.forget(address, ticket) };
        let most = match &self.plan.step(step).action {
            Action::Receive(receive) => receive.max_messages as usize,
            _ => 1,
        };
        let inbox = &mut self.data.inbox;
        let output = if most == 1 {
            inbox.take(address, position).unwrap_or_default()
        } else {
            let taken: Vec<_> = std::iter::from_fn(|| inbox.take(address, position)).take(most).collect();
            Payload::array(taken.iter())
        };
        self.complete_attempt(at, step, output, elapsed);
    }
}

/// What a step waits for, if it is of a type that does.
fn address_of(plan: &Plan, step: StepIx) -> Option<Address> {
    match &plan.step(step).action {
        Action::WaitForEvent(wait) => Some((Channel::Event, wait.event.clone())),
        Action::Receive(receive) => Some((Channel::Queue, receive.queue.clone())),
        _ => None,
    }
}
