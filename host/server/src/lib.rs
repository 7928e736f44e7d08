//! The HTTP API of a Jackfield host.
//!
//! One router answers whoever asks. Every process that owns a journal listens on a [`Socket`] in its directory for data, so
//! that commands reach its runs; who may open the socket may do everything, so only its owner may. A [`Server`] listens on
//! TCP as well: there everybody passes the gate, which wants tokens.

mod answer;
mod audit;
mod gate;
mod kept;
mod limits;
mod listen;
mod namespace;
mod page;
mod plugins;
mod private;
mod problem;
mod runs;
mod schedules;
mod socket;
mod spaces;
mod stream;
mod tokens;
pub mod wire;
mod workflows;

pub use audit::Audit;
pub use listen::{Server, ServerError, ServerSetup};
pub use namespace::Namespace;
pub use problem::{InputProblem, Problem, ProblemKind};
pub use runs::start_in;
pub use schedules::add_in as add_schedule_in;
pub use socket::{Socket, SocketAddress};
pub use spaces::OpenHost;
pub use tokens::{NewToken, Scope, TokenError, TokenInfo, Tokens};
pub use workflows::{find as find_workflow, register_in};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use jackfield::{DOCUMENT_BYTES_MAX, Host};

/// All that can be asked of `host`, under `/api/v1`; the page, `/healthz` and `/readyz`.
pub fn router(host: Host) -> Router {
    let runs = Router::new()
        .route("/runs", get(runs::list).post(runs::start))
        .route("/runs/prune", post(runs::prune))
        .route("/runs/{id}", get(runs::show).delete(runs::delete))
        .route("/runs/{id}/history", get(runs::history))
        .route("/runs/{id}/document", get(runs::document))
        .route("/runs/{id}/stream", get(stream::stream))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/pause", post(runs::pause))
        .route("/runs/{id}/resume", post(runs::resume))
        .route("/runs/{id}/export", get(kept::export))
        .route("/runs/import", post(kept::import).layer(DefaultBodyLimit::max(wire::SAVED_BYTES_MAX)))
        .route("/runs/{id}/fork", post(kept::fork))
        .route("/runs/{id}/retry", post(kept::retry))
        .route("/runs/{id}/signal", post(runs::signal))
        .route("/runs/{id}/send", post(runs::send));
    let workflows = Router::new()
        .route("/workflows", get(workflows::list).post(workflows::register))
        .route("/workflows/validate", post(workflows::validate))
        .route("/workflows/graph", post(workflows::draw))
        .route("/workflows/{id}/graph", get(workflows::graph))
        .route("/workflows/{id}", get(workflows::show).delete(workflows::remove))
        .route("/workflows/{id}/runs", post(workflows::start));
    let schedules = Router::new()
        .route("/schedules", get(schedules::list).post(schedules::add))
        .route("/schedules/{id}", get(schedules::show).delete(schedules::remove))
        .route("/schedules/{id}/pause", post(schedules::pause))
        .route("/schedules/{id}/resume", post(schedules::resume))
        .route("/schedules/{id}/trigger", post(schedules::trigger))
        .route("/schedules/{id}/next", get(schedules::next))
        .route("/schedules/{id}/backfill", post(schedules::backfill));
    let api = runs
        .merge(workflows)
        .merge(schedules)
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}", get(plugins::show))
        .route("/plugins/{name}/release", post(plugins::release))
        .route("/stats", get(answer::stats))
        .fallback(problem::nothing_here);
    let body_max = usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX);
    Router::new()
        .nest("/api/v1", api)
        .merge(page::routes())
        .route("/healthz", get(answer::healthz))
        .route("/readyz", get(answer::readyz))
        .fallback(problem::nothing_here)
        .method_not_allowed_fallback(problem::not_this_way)
        .layer(DefaultBodyLimit::max(body_max))
        .with_state(host)
}
