//! What a run was started with, as a store keeps it: one JSON object, so that later versions can add to it.

use super::{BlobId, Damage, RULES};
use crate::payload::Payload;
use crate::plan::{Channel, Plan};
use crate::run::{Carried, History, Parent, Start, Unread};
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run was started with.
#[derive(Clone, Debug, Serialize)]
pub struct StoredStart {
    /// By which rules its facts are applied.
    pub rules: u32,
    /// When it began, in nanoseconds since the epoch.
    pub at: Timestamp,
    /// Its input, checked.
    pub input: Payload,
    /// Values for `config.<key>`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<Box<str>, Payload>,
    /// Source of everything that must look random.
    pub seed: u64,
    /// Bodies of a foreach at a time where the document says 0.
    pub host_concurrency: u32,
    /// Step after which it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What it was started by, if a step of another run did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// W3C trace context that it is part of; empty if none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub traceparent: Box<str>,
    /// What the former generation has left, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carried: Option<Carried>,
    /// What it shares with other runs of its workflow, of which only so many may be under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
    /// What it had to wait for before it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<Arc<str>>,
    /// Time before which it was not to begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delayed_until: Option<Timestamp>,
    /// The document that names the methods which its plan was made with, see [`super::Pinned`].
    pub methods: BlobId,
}

/// The same, with values as they stand in the text.
#[derive(Deserialize)]
struct Raw<'a> {
    rules: u32,
    at: Timestamp,
    #[serde(borrow)]
    input: &'a serde_json::value::RawValue,
    #[serde(borrow, default)]
    config: BTreeMap<Box<str>, &'a serde_json::value::RawValue>,
    seed: u64,
    host_concurrency: u32,
    until: Option<String>,
    parent: Option<Parent>,
    #[serde(default)]
    traceparent: Box<str>,
    #[serde(borrow)]
    carried: Option<RawCarried<'a>>,
    key: Option<Arc<str>>,
    queued: Option<Arc<str>>,
    delayed_until: Option<Timestamp>,
    methods: BlobId,
}

#[derive(Deserialize)]
struct RawCarried<'a> {
    line: u64,
    generation: u32,
    #[serde(borrow, default)]
    unread: Vec<RawUnread<'a>>,
    #[serde(borrow)]
    custom_status: &'a serde_json::value::RawValue,
    status_version: u64,
    #[serde(default)]
    followers: Vec<Arc<str>>,
}

#[derive(Deserialize)]
struct RawUnread<'a> {
    channel: Channel,
    name: Arc<str>,
    #[serde(borrow)]
    data: &'a serde_json::value::RawValue,
}

impl RawCarried<'_> {
    fn into_carried(self) -> Carried {
        let unread = self.unread.into_iter().map(|raw| Unread {
            channel: raw.channel,
            name: raw.name,
            data: Payload::trusted(raw.data.get()),
        });
        Carried {
            line: self.line,
            generation: self.generation,
            unread: unread.collect(),
            custom_status: Payload::trusted(self.custom_status.get()),
            status_version: self.status_version,
            followers: self.followers,
        }
    }
}

impl StoredStart {
    /// What `start` at `at` is, for the journal; part of no trace.
    #[must_use]
    pub fn new(plan: &Plan, start: &Start, at: Timestamp, methods: BlobId) -> Self {
        Self {
            rules: RULES,
            at,
            input: start.input.clone(),
            config: (*start.config).clone(),
            seed: start.seed,
            host_concurrency: start.host_concurrency,
            until: start.until.map(|step| plan.step(step).id.to_string()),
            parent: start.parent.clone(),
            traceparent: Box::default(),
            carried: start.carried.as_deref().cloned(),
            key: start.key.clone(),
            queued: start.queued.clone(),
            delayed_until: start.delayed_until,
            methods,
        }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`Damage::Start`] if the text is no such object, [`Damage::Rules`] if it was written by other rules.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        #[derive(Deserialize)]
        struct Rules {
            rules: u32,
        }
        let wrong = |error: serde_json::Error| Damage::Start(error.to_string());
        let Rules { rules } = serde_json::from_str(text).map_err(wrong)?;
        if rules != RULES {
            return Err(Damage::Rules(rules));
        }
        let raw: Raw<'_> = serde_json::from_str(text).map_err(wrong)?;
        let config = raw.config.into_iter().map(|(key, value)| (key, Payload::trusted(value.get())));
        Ok(Self {
            rules: raw.rules,
            at: raw.at,
            input: Payload::trusted(raw.input.get()),
            config: config.collect(),
            seed: raw.seed,
            host_concurrency: raw.host_concurrency,
            until: raw.until,
            parent: raw.parent,
            traceparent: raw.traceparent,
            carried: raw.carried.map(RawCarried::into_carried),
            key: raw.key,
            queued: raw.queued,
            delayed_until: raw.delayed_until,
            methods: raw.methods,
        })
    }

    /// The start itself, for a run that follows `plan`.
    ///
    /// # Errors
    /// [`Damage::Start`] if the plan lacks the step that the run is to end after.
    pub fn start(&self, run_id: Arc<str>, plan: &Plan, history: History) -> Result<Start, Damage> {
        let find = |id: &String| {
            plan.find(id)
                .ok_or_else(|| Damage::Start(format!("the workflow has no step `{id}` to stop after")))
        };
        Ok(Start {
            run_id,
            input: self.input.clone(),
            config: Arc::new(self.config.clone()),
            seed: self.seed,
            host_concurrency: self.host_concurrency,
            until: self.until.as_ref().map(find).transpose()?,
            history,
            parent: self.parent.clone(),
            carried: self.carried.clone().map(Arc::new),
            key: self.key.clone(),
            queued: self.queued.clone(),
            delayed_until: self.delayed_until,
        })
    }
}
