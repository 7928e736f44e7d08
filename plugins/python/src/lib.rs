//! The bundled plugin `python`: environments and packages by `uv`, and code in long-lived interpreters, one process for each
//! session. Nothing of Python is in the process of the host.

mod config;
mod environment;
mod service;
#[cfg_attr(
    not(unix),
    expect(
        dead_code,
        unreachable_code,
        unused_mut,
        unused_variables,
        reason = "what a session does is behind the refusal to start its interpreter"
    )
)]
mod session;
mod upkeep;
mod uv;

use config::Config;
use environment as env;
use jackfield_plugin_api::prelude::*;
use service::Service;

export_plugin! {
    name: "python",
    description: "environments, packages and code of Python, in processes of their own",
    net: true,
    exec: true,
    fs_read: &["**"],
    fs_write: &["**"],
    config: Config,
    methods: [
        discover { idempotent, description: "lists the interpreters of this machine, broken ones with their error. Example: {}" },
        python_install { idempotent, description: "fetches an interpreter, unless it is there. \
            Example: {\"version\": \"3.12\"}" },
        env_create { idempotent, description: "makes an environment with packages; one of that name is returned if it is the same. \
            Example: {\"name\": \"reports\", \"profile\": \"data-science\"}" },
        env_list { idempotent, description: "lists environments. Example: {}" },
        env_clone { description: "makes a copy of an environment. Example: {\"from\": \"reports\", \"to\": \"trial\"}" },
        env_delete { description: "removes an environment. Example: {\"name\": \"trial\"}" },
        env_use { idempotent, description: "changes the current environment of single-user mode. \
            Example: {\"environment\": \"reports\"}" },
        install { idempotent, description: "installs packages. \
            Example: {\"environment\": \"reports\", \"packages\": [\"idna>=3\"]}" },
        uninstall { idempotent, description: "removes packages. \
            Example: {\"environment\": \"reports\", \"packages\": [\"idna\"]}" },
        upgrade { idempotent, description: "brings packages up to date. Example: {\"environment\": \"reports\"}" },
        packages { idempotent, description: "lists the packages of an environment. Example: {\"environment\": \"reports\"}" },
        freeze { idempotent, description: "writes down the packages of an environment with their versions. \
            Example: {\"environment\": \"reports\"}" },
        sync { idempotent, description: "installs exactly what a file of requirements or a lock file names. \
            Example: {\"environment\": \"reports\", \"file\": \"requirements.txt\"}" },
        exec { description: "executes code; the value of a last expression is the result. \
            Example: {\"code\": \"sum(values) / len(values)\", \"inputs\": {\"values\": [1, 2, 6]}}" },
        exec_batch { description: "executes several codes in one session. \
            Example: {\"items\": [{\"code\": \"x = 1\"}, {\"code\": \"x + 1\"}]}" },
        run_script { description: "runs a file of Python. Example: {\"path\": \"report.py\", \"arguments\": [\"--year\", \"2026\"]}" },
        session_open { description: "opens a session, or returns the one that is open. \
            Example: {\"session\": \"work\", \"environment\": \"reports\"}" },
        session_list { idempotent, description: "lists sessions. Example: {}" },
        session_close { description: "closes a session. Example: {\"session\": \"work\"}" },
        mode_switch { idempotent, description: "switches between single-user and multi-user mode. \
            Example: {\"mode\": \"multi_user\", \"wait_ms\": 5000}" },
        diagnostics { idempotent, description: "tells how the plugin is. Example: {}" },
        maintain { idempotent, description: "closes sessions whose time is over and removes what broke off. Example: {}" },
    ],
}

/// What serves the call.
fn service(ctx: &Context) -> Result<&Service, Error> {
    let config = ctx.config::<Config>();
    config.ok_or_else(|| Error::other("the plugin has no configuration").permanent())?.service()
}

fn discover(ctx: &Context, _: env::Discover) -> Result<env::Discovered, Error> {
    env::discover(ctx, service(ctx)?)
}

fn python_install(ctx: &Context, p: env::InstallPython) -> Result<env::InstalledPython, Error> {
    env::install_python(ctx, service(ctx)?, &p)
}

fn env_create(ctx: &Context, p: env::CreateEnvironment) -> Result<env::Created, Error> {
    env::create(ctx, service(ctx)?, &p)
}

/// What to list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct All {}

/// Environments.
#[derive(Debug, Serialize, JsonSchema)]
struct EnvironmentList {
    /// They, by name.
    environments: Vec<env::Listed>,
}

fn env_list(ctx: &Context, _: All) -> Result<EnvironmentList, Error> {
    Ok(EnvironmentList { environments: env::list_all(service(ctx)?)? })
}

fn env_clone(ctx: &Context, p: env::CloneEnvironment) -> Result<env::Created, Error> {
    env::clone(ctx, service(ctx)?, &p)
}

fn env_delete(ctx: &Context, p: env::DeleteEnvironment) -> Result<env::Deleted, Error> {
    env::delete(ctx, service(ctx)?, &p)
}

fn env_use(ctx: &Context, p: session::UseEnvironment) -> Result<session::Used, Error> {
    session::use_environment(ctx, service(ctx)?, &p)
}

fn install(ctx: &Context, p: env::Install) -> Result<env::Changed, Error> {
    env::install(ctx, service(ctx)?, &p)
}

fn uninstall(ctx: &Context, p: env::Uninstall) -> Result<env::Changed, Error> {
    env::uninstall(ctx, service(ctx)?, &p)
}

fn upgrade(ctx: &Context, p: env::Upgrade) -> Result<env::Changed, Error> {
    env::upgrade(ctx, service(ctx)?, &p)
}

fn packages(ctx: &Context, p: env::Packages) -> Result<env::InstalledPackages, Error> {
    env::packages(ctx, service(ctx)?, &p)
}

fn freeze(ctx: &Context, p: env::Freeze) -> Result<env::Frozen, Error> {
    env::freeze(ctx, service(ctx)?, &p)
}

fn sync(ctx: &Context, p: env::Sync) -> Result<env::Changed, Error> {
    env::sync(ctx, service(ctx)?, &p)
}

fn exec(ctx: &Context, p: session::Execute) -> Result<session::Executed, Error> {
    session::execute(ctx, service(ctx)?, &p)
}

fn exec_batch(ctx: &Context, p: session::Batch) -> Result<session::BatchResult, Error> {
    session::execute_batch(ctx, service(ctx)?, &p)
}

fn run_script(ctx: &Context, p: session::RunScript) -> Result<session::Executed, Error> {
    session::run_script(ctx, service(ctx)?, &p)
}

fn session_open(ctx: &Context, p: session::OpenSession) -> Result<session::Opened, Error> {
    session::open(ctx, service(ctx)?, &p)
}

/// Sessions.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionList {
    /// They, by id.
    sessions: Vec<session::SessionInfo>,
}

fn session_list(ctx: &Context, _: All) -> Result<SessionList, Error> {
    Ok(SessionList { sessions: service(ctx)?.sessions.infos() })
}

fn session_close(ctx: &Context, p: session::CloseSession) -> Result<session::Closed, Error> {
    session::close(service(ctx)?, &p)
}

fn mode_switch(ctx: &Context, p: session::SwitchMode) -> Result<session::Switched, Error> {
    session::switch_mode(ctx, service(ctx)?, &p)
}

fn diagnostics(ctx: &Context, p: upkeep::Diagnose) -> Result<upkeep::Diagnostics, Error> {
    upkeep::diagnose(ctx, service(ctx)?, &p)
}

fn maintain(ctx: &Context, p: upkeep::Maintain) -> Result<upkeep::Maintained, Error> {
    upkeep::maintain(ctx, service(ctx)?, &p)
}
