//! Retry policies with defaults filled in: named ones once each, `max_retries` once for each count.

use super::context::Context;
use super::expressions::{Field, Site, optional};
use super::layout::index;
use super::names::did_you_mean;
use crate::diagnostic::{Code, nearest};
use crate::model::{self, Backoff, RetryField, Workflow};
use crate::plan::{Retry, RetryIx};
use std::collections::HashMap;
use std::time::Duration;

const MAX_ATTEMPTS_DEFAULT: u32 = 3;
const DELAY_DEFAULT: Duration = Duration::from_secs(1);
const MULTIPLIER_DEFAULT: f64 = 2.0;
const MAX_DELAY_DEFAULT: Duration = Duration::from_secs(3600);

/// The policies that steps of one document use.
pub(super) struct Retries<'w> {
    table: Vec<Retry>,
    /// `None` for a policy that is faulty in itself.
    named: HashMap<&'w str, Option<RetryIx>>,
    counted: HashMap<u32, RetryIx>,
    /// For call steps that say nothing themselves; the outer `None` if it is faulty.
    inherited: Option<Option<RetryIx>>,
}

impl<'w> Retries<'w> {
    pub(super) fn of(workflow: &'w Workflow, context: &mut Context<'_, 'w>) -> Self {
        let mut retries =
            Self { table: Vec::new(), named: HashMap::new(), counted: HashMap::new(), inherited: Some(None) };
        let site = Site::before_run().field(Field::PolicyWhen);
        for (name, policy) in &workflow.retry_policies {
            let ix = retries.add(context, policy, site);
            retries.named.insert(name, ix);
        }
        retries.inherited =
            optional(workflow.defaults.retry.as_ref(), |field| retries.field(context, field, site))
                .map(Option::flatten);
        retries
    }

    /// What a step's own field says; `None` if it is faulty, `Some(None)` for a single attempt.
    pub(super) fn field(
        &mut self,
        context: &mut Context<'_, '_>,
        field: &RetryField,
        site: Site<'_>,
    ) -> Option<Option<RetryIx>> {
        match field {
            RetryField::MaxRetries(0) => Some(None),
            RetryField::MaxRetries(count) => Some(Some(self.counted(*count))),
            RetryField::Named(name) if name.value.is_empty() => None,
            RetryField::Named(name) => match self.named.get(&*name.value) {
                Some(ix) => ix.map(Some),
                None => {
                    let guess = nearest(&name.value, self.named.keys().copied());
                    let message = format!("there is no retry policy `{}`", name.value);
                    let hint = guess.map_or_else(
                        || "Policies stand in the document's `retry_policies`.".to_owned(),
                        |guess| did_you_mean("", Some(guess)),
                    );
                    context.report(Code::UnknownPolicy, name.at, message, hint);
                    None
                }
            },
            RetryField::Policy(policy) => self.add(context, policy, site).map(Some),
        }
    }

    /// What a call without a field of its own has.
    pub(super) fn inherited(&self) -> Option<Option<RetryIx>> {
        self.inherited
    }

    pub(super) fn into_table(self) -> Vec<Retry> {
        self.table
    }

    fn counted(&mut self, count: u32) -> RetryIx {
        let table = &mut self.table;
        *self.counted.entry(count).or_insert_with(|| {
            let ix = RetryIx(index(table.len()));
            table.push(Retry {
                max_attempts: count.saturating_add(1),
                delay: DELAY_DEFAULT,
                backoff: Backoff::Fixed,
                multiplier: MULTIPLIER_DEFAULT,
                max_delay: MAX_DELAY_DEFAULT,
                jitter: 0.0,
                total_timeout: None,
                errors: vec!["*".into()],
                when: None,
            });
            ix
        })
    }

    fn add(
        &mut self,
        context: &mut Context<'_, '_>,
        policy: &model::Retry,
        site: Site<'_>,
    ) -> Option<RetryIx> {
        let when = optional(policy.when.as_ref(), |when| context.condition(when, site))?;
        let ix = RetryIx(index(self.table.len()));
        self.table.push(Retry {
            max_attempts: policy.max_attempts.unwrap_or(MAX_ATTEMPTS_DEFAULT),
            delay: policy.delay.unwrap_or(DELAY_DEFAULT),
            backoff: policy.backoff.unwrap_or_default(),
            multiplier: policy.multiplier.unwrap_or(MULTIPLIER_DEFAULT),
            max_delay: policy.max_delay.unwrap_or(MAX_DELAY_DEFAULT),
            jitter: policy.jitter.unwrap_or(0.0),
            total_timeout: policy.total_timeout.filter(|limit| !limit.is_zero()),
            errors: policy.errors.clone().unwrap_or_else(|| vec!["*".into()]),
            when,
        });
        Some(ix)
    }
}
