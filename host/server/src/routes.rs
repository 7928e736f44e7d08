//! All that can be asked, and who answers it.

use crate::metrics::Metrics;
use crate::openapi::{API, Api, delete, get, post};
use crate::wire::{
    AddSchedule, Backfill, Document, Fork, Import, Letter, LinesPage, Planned, PluginLines, PluginVersions,
    Prune, Pruned, PublishEvent, PublishedEvent, Records, Registration, Released, Retry, RunDocument,
    RunLines, SAVED_BYTES_MAX, ScheduleLines, StartRun, Starts, Stop, Trigger, Verdict, WorkflowLine,
    WorkflowLines,
};
use crate::{answer, events, kept, lines, page, plugins, problem, runs, schedules, stream, workflows};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::get as answer_get;
use jackfield::graph::Graph;
use jackfield::{DOCUMENT_BYTES_MAX, EngineStats, Host, RunReport, ScheduleInfo, Triggered};
use std::sync::LazyLock;

const OK: StatusCode = StatusCode::OK;
const CREATED: StatusCode = StatusCode::CREATED;

/// The OpenAPI document, as it is sent.
static DESCRIPTION: LazyLock<String> = LazyLock::new(|| format!("{:#}\n", api().document()));

/// All that can be asked of `host`, under `/api/v1`; the page, `/openapi.json`, `/metrics`, `/healthz` and `/readyz`.
pub fn router(host: Host) -> Router {
    let metrics = Metrics::new(host.clone());
    let shown = metrics.clone();
    let body_max = usize::try_from(DOCUMENT_BYTES_MAX).unwrap_or(usize::MAX);
    Router::new()
        .nest(API, api().into_router().fallback(problem::nothing_here))
        .merge(page::routes())
        .route("/openapi.json", answer_get(description))
        .route("/metrics", answer_get(move || shown.show()))
        .route("/healthz", answer_get(answer::healthz))
        .route("/readyz", answer_get(answer::readyz))
        .fallback(problem::nothing_here)
        .method_not_allowed_fallback(problem::not_this_way)
        .layer(DefaultBodyLimit::max(body_max))
        .layer(middleware::from_fn_with_state(metrics, Metrics::count))
        .with_state(host)
}

async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION.as_str())
}

fn api() -> Api {
    about_schedules(about_workflows(about_runs(Api::default())))
        .add(
            post("/events", "publishEvent", "Tells an event to all runs and schedules that wait for it")
                .body::<PublishEvent>()
                .gives::<PublishedEvent>(OK, "It has arrived."),
            events::publish,
        )
        .add(
            get("/plugins", "listPlugins", "All plugins, and what cannot be used")
                .gives::<PluginLines>(OK, "The plugins."),
            plugins::list,
        )
        .add(
            get("/plugins/{name}", "showPlugin", "The versions of a plugin with their methods and workers")
                .gives::<PluginVersions>(OK, "The plugin."),
            plugins::show,
        )
        .add(
            post("/plugins/{name}/release", "releasePlugin", "Lets a plugin out of quarantine")
                .gives::<Released>(OK, "What was let out."),
            plugins::release,
        )
        .add(
            get("/stats", "stats", "What the host has done since its start, and what waits for its turn")
                .gives::<EngineStats>(OK, "The counters."),
            answer::stats,
        )
}

fn about_runs(api: Api) -> Api {
    let change = |path, id, summary| {
        post(path, id, summary).gives::<RunReport>(OK, "How the run stands, without steps.")
    };
    let import = post("/runs/import", "importRun", "Goes on with a run that was saved elsewhere")
        .body::<Import>()
        .gives::<RunReport>(CREATED, "How the run stands, without steps.");
    kept_runs(api)
        .add(
            get("/runs", "listRuns", "A page of runs, newest first")
                .query::<runs::ListQuery>()
                .gives::<RunLines>(OK, "The page."),
            runs::list,
        )
        .add(
            post("/runs", "startRun", "Starts a run of a document that comes with the request")
                .query::<runs::ShowQuery>()
                .body::<StartRun>()
                .gives::<RunReport>(CREATED, "How the run stands after the time to wait."),
            runs::start,
        )
        .add(
            change("/runs/{id}/cancel", "cancelRun", "Ends a run, with clean-up or at once")
                .body_or_none::<Stop>(),
            runs::cancel,
        )
        .add(
            change("/runs/{id}/pause", "pauseRun", "Starts no more steps of a run until it is resumed")
                .body_or_none::<Stop>(),
            runs::pause,
        )
        .add(change("/runs/{id}/resume", "resumeRun", "Lets a paused run go on"), runs::resume)
        .add(
            change("/runs/{id}/retry", "retryRun", "Lets a run that has ended go back and on")
                .body_or_none::<Retry>(),
            kept::retry,
        )
        .add(
            change("/runs/{id}/signal", "signalRun", "Sends an event to a run").body::<Letter>(),
            runs::signal,
        )
        .add(
            change("/runs/{id}/send", "sendToRun", "Sends a message to a queue of a run").body::<Letter>(),
            runs::send,
        )
        .add(
            post("/runs/{id}/fork", "forkRun", "Starts a run with what another had done up to a step")
                .body::<Fork>()
                .gives::<RunReport>(CREATED, "How the new run stands, without steps."),
            kept::fork,
        )
        .add_as(import, kept::import, |route| route.layer(DefaultBodyLimit::max(SAVED_BYTES_MAX)))
        .add(
            post("/runs/prune", "pruneRuns", "Forgets runs that ended long ago")
                .body::<Prune>()
                .gives::<Pruned>(OK, "How many."),
            runs::prune,
        )
}

/// What is read of kept runs.
fn kept_runs(api: Api) -> Api {
    api.add(
        get("/runs/{id}", "showRun", "The result document of a run, at any time")
            .query::<runs::ShowQuery>()
            .gives::<RunReport>(OK, "The result document."),
        runs::show,
    )
    .add(
        delete("/runs/{id}", "deleteRun", "Forgets a run that has ended").gives_nothing("It is forgotten."),
        runs::delete,
    )
    .add(
        get("/runs/{id}/history", "runHistory", "The records of a run, up to 10,000 at a time")
            .query::<runs::HistoryQuery>()
            .gives::<Records>(OK, "The records."),
        runs::history,
    )
    .add(
        get("/runs/{id}/stream", "streamRun", "The records of a run as they come, as server-sent events")
            .query::<stream::StreamQuery>()
            .headers(&[("Last-Event-ID", "The number of the last record that came.")])
            .gives_other(
                "Events `record`, each with its number as id, and at last `end` with the status.",
                "text/event-stream",
            ),
        stream::stream,
    )
    .add(
        get("/runs/{id}/logs", "runLogs", "What the methods of a durable run have logged and printed")
            .query::<lines::LinesQuery>()
            .headers(&[("Last-Event-ID", "With `follow`, the number of the last line that came.")])
            .gives::<LinesPage>(
                OK,
                "The lines. With `follow` server-sent events: `line`, each with its number as id, and at last `end` with the status.",
            )
            .gives_other("The lines as they come.", "text/event-stream"),
        lines::lines,
    )
    .add(
        get("/runs/{id}/document", "runDocument", "The document that a run follows, and a picture of it")
            .gives::<RunDocument>(OK, "The document."),
        runs::document,
    )
    .add(
        get("/runs/{id}/export", "exportRun", "All that is kept of a run, to go on with it elsewhere")
            .gives_other("The saved run.", "application/jsonl"),
        kept::export,
    )
}

fn about_workflows(api: Api) -> Api {
    api.add(
        get("/workflows", "listWorkflows", "All registered workflows")
            .gives::<WorkflowLines>(OK, "The workflows."),
        workflows::list,
    )
    .add(
        post(
            "/workflows",
            "registerWorkflow",
            "Registers a version of a workflow, or says what that would change",
        )
        .body::<Document>()
        .gives::<Registration>(OK, "It was registered already, or nothing was to be done.")
        .gives::<Registration>(CREATED, "It is registered."),
        workflows::register,
    )
    .add(
        post("/workflows/validate", "validateWorkflow", "Checks a document")
            .body::<Document>()
            .gives::<Verdict>(OK, "What is wrong with it."),
        workflows::validate,
    )
    .add(
        post("/workflows/graph", "drawWorkflow", "A picture of a document")
            .body::<Document>()
            .gives::<Graph>(OK, "The picture."),
        workflows::draw,
    )
    .add(
        get(
            "/workflows/{id}",
            "showWorkflow",
            "The newest registered version of a workflow with its document",
        )
        .query::<workflows::VersionQuery>()
        .gives::<WorkflowLine>(OK, "The workflow."),
        workflows::show,
    )
    .add(
        delete("/workflows/{id}", "removeWorkflow", "Unregisters a workflow, or one version of it")
            .query::<workflows::VersionQuery>()
            .gives_nothing("It is not registered any more."),
        workflows::remove,
    )
    .add(
        get("/workflows/{id}/graph", "workflowGraph", "A picture of a registered workflow")
            .query::<workflows::VersionQuery>()
            .gives::<Graph>(OK, "The picture."),
        workflows::graph,
    )
    .add(
        post("/workflows/{id}/runs", "startWorkflow", "Starts a run of a registered workflow")
            .query::<runs::ShowQuery>()
            .body_or_none::<StartRun>()
            .gives::<RunReport>(CREATED, "How the run stands after the time to wait."),
        workflows::start,
    )
}

fn about_schedules(api: Api) -> Api {
    let change =
        |path, id, summary| post(path, id, summary).gives::<ScheduleInfo>(OK, "How the schedule stands.");
    api.add(
        get("/schedules", "listSchedules", "All schedules").gives::<ScheduleLines>(OK, "The schedules."),
        schedules::list,
    )
    .add(
        post("/schedules", "addSchedule", "Makes a schedule")
            .body::<AddSchedule>()
            .gives::<ScheduleInfo>(CREATED, "How it stands."),
        schedules::add,
    )
    .add(
        get("/schedules/{id}", "showSchedule", "A schedule").gives::<ScheduleInfo>(OK, "How it stands."),
        schedules::show,
    )
    .add(
        delete("/schedules/{id}", "removeSchedule", "Forgets a schedule").gives_nothing("It is forgotten."),
        schedules::remove,
    )
    .add(
        change("/schedules/{id}/pause", "pauseSchedule", "Starts no more runs until it is resumed")
            .body_or_none::<Stop>(),
        schedules::pause,
    )
    .add(
        change("/schedules/{id}/resume", "resumeSchedule", "Lets a paused schedule go on"),
        schedules::resume,
    )
    .add(
        post("/schedules/{id}/trigger", "triggerSchedule", "Starts a run of a schedule now")
            .body_or_none::<Trigger>()
            .gives::<Triggered>(OK, "The run."),
        schedules::trigger,
    )
    .add(
        get("/schedules/{id}/next", "nextOfSchedule", "The next times of a schedule")
            .query::<schedules::NextQuery>()
            .gives::<Planned>(OK, "The times."),
        schedules::next,
    )
    .add(
        post(
            "/schedules/{id}/backfill",
            "backfillSchedule",
            "Starts the runs of times in the past that there was none for",
        )
        .body::<Backfill>()
        .gives::<Starts>(OK, "The starts."),
        schedules::backfill,
    )
}
