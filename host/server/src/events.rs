//! `/events`

use crate::answer::{answer, body};
use crate::problem::Problem;
use crate::wire::{PublishEvent, PublishedEvent};
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use jackfield::Host;

pub(crate) async fn publish(State(host): State<Host>, bytes: Bytes) -> Result<Json<PublishedEvent>, Problem> {
    let PublishEvent { name, data, key } = body(&bytes)?;
    answer(move || {
        let run = host.publish(&name, data, key.as_deref())?;
        Ok(PublishedEvent { run_id: run.id().to_owned() })
    })
    .await
}
