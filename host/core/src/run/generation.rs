//! Going on as new: the run begins again under the same id, with another input and an empty history. What was sent to it
//! and not taken, its custom status and the detached runs that end with it are carried over.

use super::ending::{Ending, Phase};
use super::record::{Command, ContinueCommand, Fact, InstanceIx};
use super::turn::Turn;
use super::{RunState, RunStatus, identity};
use crate::payload::Payload;
use crate::plan::{Channel, ContinueAsNew, StepIx};
use semver::Version;
use std::sync::Arc;
use std::time::Duration;

/// What a generation leaves to the next.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Carried {
    /// The seed of the first generation: tells runs apart that had the same id one after the other.
    pub line: u64,
    /// Number of the next generation; the first is 1.
    pub generation: u32,
    /// Events and messages that no step has taken, oldest first for each name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    /// The custom status; null if there is none.
    pub custom_status: Payload,
    /// How often the custom status has been set.
    pub status_version: u64,
    /// Detached runs that end with the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub followers: Vec<Arc<str>>,
}

/// An event or a message that no step has taken.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Unread {
    /// Which of the two.
    pub channel: Channel,
    /// Name of the event or the queue.
    pub name: Arc<str>,
    /// What goes with it.
    pub data: Payload,
}

/// How a run goes on.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The version of its workflow; `None` = the one that it has followed.
    pub version: Option<Version>,
    /// Its input.
    pub input: Payload,
    /// Source of everything in it that must look random.
    pub seed: u64,
    /// What is carried over.
    pub carried: Carried,
    /// What came from outside after the former generation had ended, to be applied right after the start.
    pub facts: Vec<Fact>,
}

/// With what a run goes on.
#[derive(Clone, Debug)]
pub(crate) struct Next {
    pub(crate) input: Payload,
    pub(crate) version: Option<Version>,
    /// Wishes that came too late for the generation that has ended.
    pub(crate) facts: Vec<Fact>,
}

impl RunState {
    /// Number of the generation: 1, and one more each time that the run goes on as new.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.data.start.carried.as_ref().map_or(1, |carried| carried.generation)
    }

    /// The same number for all generations of a run, and most likely another for every other run.
    #[must_use]
    pub fn line(&self) -> u64 {
        let start = &self.data.start;
        start.carried.as_ref().map_or(start.seed, |carried| carried.line)
    }

    /// Whether this generation has ended and the next one is to begin.
    #[must_use]
    pub fn is_continued(&self) -> bool {
        self.status() == RunStatus::Continued
    }

    /// Whether the run has ended, and not only this generation of it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.status().is_terminal() && !self.is_continued()
    }

    /// How the run goes on, once it has ended as `continued`. What comes in after this was asked is lost.
    #[must_use]
    pub fn next_generation(&self) -> Option<Generation> {
        if !self.is_continued() {
            return None;
        }
        let Some(Ending::Continued(next)) = &self.data.ending else { return None };
        let unread = self.data.inbox.all();
        let carried = Carried {
            line: self.line(),
            generation: self.generation() + 1,
            unread: unread.map(|(channel, name, data)| Unread { channel, name, data }).collect(),
            custom_status: self.data.custom_status.clone().unwrap_or_default(),
            status_version: self.data.status_version,
            followers: self.data.followers.clone(),
        };
        let Next { input, version, facts } = (**next).clone();
        let seed = identity::mix(self.data.start.seed, u64::from(carried.generation));
        Some(Generation { version, input, seed, carried, facts })
    }

    /// Keeps what comes in between two generations.
    pub(crate) fn keep_for_next(&mut self, fact: Fact) {
        let Some(Ending::Continued(next)) = &mut self.data.ending else { return };
        match fact {
            Fact::Sent { channel, name, data } => drop(self.data.inbox.put((channel, name), data)),
            Fact::Cancel { .. } | Fact::Pause { .. } | Fact::Resume => next.facts.push(fact),
            Fact::Outcome { .. }
            | Fact::Admitted
            | Fact::Began(_)
            | Fact::Recovered
            | Fact::Timer(_)
            | Fact::Retried(_)
            | Fact::Forked(_) => {}
        }
    }
}

impl Turn<'_> {
    pub(crate) fn continue_as_new(&mut self, at: InstanceIx, step: StepIx, next: &ContinueAsNew) {
        let input = match self.field_of(at, step, "input", next.input.as_ref()) {
            Ok(input) => input,
            Err(failure) => return self.fail_attempt(at, step, failure, Duration::ZERO),
        };
        self.start_limit(at, step);
        let Some(key) = self.begin_operation(at, step) else { return };
        if let Some(node) = self.data.node_mut(self.plan, at, step) {
            node.more().next_input = Some(input.clone());
        }
        let version = next.version.clone();
        self.commands.push(Command::Continue(Box::new(ContinueCommand { key, input, version })));
    }

    /// The next generation can begin: this one ends. `found` names the version that it follows.
    pub(crate) fn continue_run(&mut self, at: InstanceIx, step: StepIx, found: &Payload, elapsed: Duration) {
        self.stop_limit(at, step);
        let version = found.value()["version"].as_str().and_then(|text| Version::parse(text).ok());
        let node = self.data.node_mut(self.plan, at, step);
        let input = node.and_then(|node| node.more().next_input.take()).unwrap_or_default();
        self.complete_step(at, step, Payload::null(), elapsed);
        if self.data.phase == Phase::Running {
            self.end_run(Ending::Continued(Box::new(Next { input, version, facts: Vec::new() })));
        }
    }
}
