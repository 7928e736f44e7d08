//! `/schedules`

use crate::answer::{answer, blocking, body};
use crate::problem::Problem;
use crate::runs::{Asked, asked};
use crate::wire::{AddSchedule, Backfill, Planned, ScheduleLines, Starts, Stop, Trigger};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jackfield::{Host, NewSchedule, ScheduleInfo, Schedules, Timestamp, Triggered};
use schemars::JsonSchema;
use serde::Deserialize;

/// Starts that are planned where the request does not say.
const COUNT: usize = 5;
/// Starts that are planned at most.
const COUNT_MAX: usize = 1_000;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NextQuery {
    /// How many, from 1 to 1,000; 5 if absent.
    #[schemars(range(min = 1, max = 1000))]
    count: Option<usize>,
}

pub(crate) async fn list(State(host): State<Host>) -> Result<Json<ScheduleLines>, Problem> {
    answer(move || Ok(ScheduleLines { schedules: host.schedules().list() })).await
}

pub(crate) async fn add(
    State(host): State<Host>,
    bytes: Bytes,
) -> Result<(StatusCode, Json<ScheduleInfo>), Problem> {
    let added: AddSchedule = body(&bytes)?;
    let made = blocking(move || add_in(&host.schedules(), added)).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Makes a schedule.
///
/// # Errors
/// As [`Schedules::create`], and if the range of versions is none.
pub fn add_in(schedules: &Schedules, added: AddSchedule) -> Result<ScheduleInfo, jackfield::Error> {
    let mut new = NewSchedule::new(added.workflow, added.schedule.as_str());
    new.id = added.id;
    new.version = added.version.as_deref().map(crate::workflows::parse_range).transpose()?;
    schedules.create(new)
}

pub(crate) async fn show(
    State(host): State<Host>,
    Path(id): Path<String>,
) -> Result<Json<ScheduleInfo>, Problem> {
    answer(move || host.schedules().get(&id)).await
}

pub(crate) async fn remove(State(host): State<Host>, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || host.schedules().remove(&id)).await.map(|()| StatusCode::NO_CONTENT)
}

pub(crate) async fn pause(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<ScheduleInfo>, Problem> {
    let Stop { reason, kill } = body(&bytes)?;
    if kill {
        return Err(Problem::bad_request("`kill` is for cancelling runs"));
    }
    answer(move || {
        host.schedules().pause(&id, &reason)?;
        host.schedules().get(&id)
    })
    .await
}

pub(crate) async fn resume(
    State(host): State<Host>,
    Path(id): Path<String>,
) -> Result<Json<ScheduleInfo>, Problem> {
    answer(move || {
        host.schedules().resume(&id)?;
        host.schedules().get(&id)
    })
    .await
}

pub(crate) async fn trigger(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Triggered>, Problem> {
    let Trigger { data } = body(&bytes)?;
    answer(move || match data {
        None => host.schedules().trigger(&id),
        Some(data) => host.schedules().trigger_with(&id, data),
    })
    .await
}

pub(crate) async fn next(
    State(host): State<Host>,
    Path(id): Path<String>,
    query: Asked<NextQuery>,
) -> Result<Json<Planned>, Problem> {
    let count = asked(query)?.count.unwrap_or(COUNT);
    if !(1..=COUNT_MAX).contains(&count) {
        return Err(Problem::bad_request(format!("`count={count}`: not a number from 1 to {COUNT_MAX}")));
    }
    answer(move || Ok(Planned { next: host.schedules().next(&id, count)? })).await
}

pub(crate) async fn backfill(
    State(host): State<Host>,
    Path(id): Path<String>,
    bytes: Bytes,
) -> Result<Json<Starts>, Problem> {
    let Backfill { from, to } = body(&bytes)?;
    let time = |name: &str, text: &str| {
        Timestamp::from_rfc3339(text).ok_or_else(|| {
            Problem::bad_request(format!(
                "`{name}`: `{text}` is no point in time, such as 2026-01-31T08:00:00Z"
            ))
        })
    };
    let (from, to) = (time("from", &from)?, time("to", &to)?);
    answer(move || Ok(Starts { starts: host.schedules().backfill(&id, from, to)? })).await
}
