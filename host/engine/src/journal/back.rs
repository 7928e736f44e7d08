//! Runs that went back: their facts are applied with the state at hand that each return goes to.

use super::pages::Pages;
use super::replay::{Outstanding, Source};
use jackfield_core::journal::{Batch, Damage, StoredRun, StoredStart};
use jackfield_core::plan::SharedPlan;
use jackfield_core::run::{CallKey, Command, Fact, History, InstanceIx, Retried, RunState, Since};
use jackfield_core::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// All facts of a run with their times, from the first one on.
pub(super) type Facts = Vec<(Timestamp, Fact)>;

/// A step of a body.
pub(super) type Place = (InstanceIx, jackfield_core::plan::StepIx);

/// Reads the facts of a stored run.
pub(super) fn facts_of(
    stored: &StoredRun,
    started_at: Timestamp,
    source: Source<'_>,
) -> Result<Facts, Damage> {
    let mut facts = Facts::new();
    let mut take = |batch: Batch| {
        facts.extend(batch.facts.into_iter().map(|fact| (batch.at, fact)));
        Ok(true)
    };
    Pages::of(stored, started_at, source).each(&stored.pieces, &mut |_, _| {}, &mut take)?;
    Ok(facts)
}

/// What is told to whoever looks on: how many facts have been applied, the last of them, and what came of it.
pub(super) struct Turn<'a> {
    pub(super) applied: u64,
    pub(super) fact: Option<&'a Fact>,
    pub(super) state: &'a RunState,
    pub(super) commands: &'a [Command],
}

/// A run at some moment, and what it had asked for and not got.
pub(super) type Moment = (RunState, Outstanding);

/// How a run began, and what it follows.
pub(crate) struct Begin<'a> {
    pub(crate) run_id: std::sync::Arc<str>,
    pub(crate) start: &'a StoredStart,
    pub(crate) plan: SharedPlan,
    pub(crate) history: History,
}

/// Applies facts from the start of a run on.
pub(super) fn play(
    begin: Begin<'_>,
    facts: &[(Timestamp, Fact)],
    look: &mut dyn FnMut(&Turn<'_>),
) -> Result<Moment, Damage> {
    let Begin { run_id, start, plan, history } = begin;
    let goals: BTreeSet<u64> = facts.iter().filter_map(|(_, fact)| Some(goal(fact)?.keep)).collect();
    let mut moments: BTreeMap<u64, Moment> = BTreeMap::new();
    let mut undone: Vec<(u64, Place)> = Vec::new();
    let mut open = Outstanding::default();
    let mut commands = Vec::new();
    let start_values = start.start(run_id, &plan, history)?;
    let mut state = RunState::start(plan, start_values, start.at, &mut commands);
    look(&Turn { applied: 0, fact: None, state: &state, commands: &commands });
    open.note(&mut commands);
    for (nth, (at, fact)) in (0..).zip(facts) {
        if goals.contains(&nth) {
            moments.insert(nth, (state.clone(), open.clone()));
        }
        match goal(fact) {
            None => {
                open.answered(fact);
                state.apply(*at, fact.clone(), &mut commands);
            }
            Some(retried) => {
                let Some(moment) = moments.get(&retried.keep).cloned() else {
                    let why = format!("it goes back to fact {}, which does not come before", retried.keep);
                    return Err(Damage::Unreadable { at: 0, why });
                };
                let behind = usize::try_from(retried.keep).unwrap_or(usize::MAX);
                let gone = facts.get(behind..nth as usize).unwrap_or_default();
                let undone = undone.iter().filter(|(nth, _)| *nth >= retried.keep).map(|(_, place)| *place);
                let since = since(retried, &moment, gone, &undone.collect());
                open = moment.1;
                since.failed.iter().chain(&since.kept).for_each(|fact| open.answered(fact));
                state.go_back(*at, moment.0, since, &mut commands);
            }
        }
        undone.extend(commands.iter().filter_map(undo_of).map(|key| (nth, (key.instance, key.step))));
        look(&Turn { applied: nth + 1, fact: Some(fact), state: &state, commands: &commands });
        open.note(&mut commands);
    }
    Ok((state, open))
}

fn goal(fact: &Fact) -> Option<&Retried> {
    match fact {
        Fact::Retried(retried) => Some(retried),
        _ => None,
    }
}

/// The undo that a command begins.
pub(super) fn undo_of(command: &Command) -> Option<CallKey> {
    match command {
        Command::Call(call) if call.key.is_undo => Some(call.key),
        _ => None,
    }
}

/// What of `gone` still stands after going back to `moment`: what had been asked for by then has been done, unless it was
/// undone since.
fn since<'a>(
    retried: &'a Retried,
    (state, open): &Moment,
    gone: &[(Timestamp, Fact)],
    undone: &HashSet<Place>,
) -> Since<'a> {
    let failed = retried.failed.and_then(|_| gone.first()).map(|(_, fact)| fact.clone());
    let later = gone.get(usize::from(failed.is_some())..).unwrap_or_default();
    let is_wanted = |key: &CallKey| {
        let place = (key.instance, key.step);
        let is_asked = open.calls.get(key).is_some_and(|(_, command)| {
            matches!(command, Command::Call(_) | Command::Emit(_) | Command::StartChild(_))
        });
        is_asked
            && !key.is_undo
            && !undone.contains(&place)
            && retried.failed != Some(place)
            && retried.from.as_deref() != Some(&*state.path(key.instance, key.step))
    };
    let mut done = HashSet::new();
    let stands = |fact: &&Fact| match fact {
        Fact::Sent { .. } => true,
        Fact::Began(key) => is_wanted(key),
        Fact::Outcome { key, outcome: Ok(_), .. } => is_wanted(key) && done.insert(*key),
        _ => false,
    };
    let kept = later.iter().map(|(_, fact)| fact).filter(stands).cloned().collect();
    Since { retried, failed, kept }
}
