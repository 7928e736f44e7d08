//! The host: plugins, workflows and runs of one application, with no state outside itself.

use crate::app::AllMethods;
use crate::builder::HostBuilder;
use crate::changes::{DocumentChange, changes};
use crate::code::{Step, WorkflowBuilder};
use crate::config::ConfigValues;
use crate::definition::{self, Dialect};
use crate::diagnostic::Diagnostic;
use crate::lines::RunLines;
use crate::prepared::PreparedCall;
use crate::run::{Outcome, Run, RunOptions};
use crate::traces::{Exporter, SpanCounts};
use crate::watch::Watcher;
use crate::{Error, PluginChanges, PluginProblem, Workflow};
use jackfield_core::catalog::Plugin;
use jackfield_core::failure::{Failure, kind};
use jackfield_core::journal::{Page, RunQuery};
use jackfield_core::payload::Payload;
use jackfield_core::ports::Methods;
use jackfield_core::run::CancelMode;
use jackfield_core::time::Timestamp;
use jackfield_core::validate;
use jackfield_engine::{
    Document, Engine, EngineStats, JournalStats, RunFilter, RunSummary, StartRequest, WorkflowEntry,
};
use jackfield_loader::manifest::Manifest;
use jackfield_loader::{ExitNote, PluginVersion, Registry, UncleanExit};
use semver::{Version, VersionReq};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A plugin host and workflow engine. Cheap to clone: clones are handles on one host. Any number of hosts can
/// live in one process.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Parts>,
}

/// What a host is made of.
pub(crate) struct Parts {
    pub(crate) engine: Engine,
    pub(crate) methods: Arc<AllMethods>,
    pub(crate) registry: Arc<Registry>,
    /// What `config.<key>` is in expressions.
    pub(crate) values: Arc<ConfigValues>,
    /// What documents can name besides plugins.
    pub(crate) checks: validate::Options,
    /// Looks at plugins again when something changes.
    pub(crate) watcher: Option<Watcher>,
    /// What methods of durable runs say and print.
    pub(crate) lines: Option<Arc<RunLines>>,
    /// Sends spans, if they go anywhere. Last: what ends before it may still have some.
    pub(crate) exporter: Option<Exporter>,
}

impl Drop for Parts {
    /// Workers end with the last handle on their host.
    fn drop(&mut self) {
        self.registry.end_workers();
        self.registry.exit_note().leave();
    }
}

impl Host {
    /// Puts a host together.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    pub(crate) fn assemble(parts: Parts) -> Self {
        Self { inner: Arc::new(parts) }
    }

    /// Reads and checks a workflow file; `.jsonc` files may have comments.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read, [`Error::Invalid`] with everything that is wrong with it.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Workflow, Error> {
        let (source, dialect) = definition::read(path.as_ref())?;
        self.check(&path.as_ref().display().to_string(), source, dialect)
    }

    /// Checks a workflow given as JSON text.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with it.
    pub fn parse(&self, json: &str) -> Result<Workflow, Error> {
        self.check("workflow", json.into(), Dialect::Json)
    }

    /// Checks a workflow given as text, which errors call `name`.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with it.
    pub fn parse_as(&self, name: &str, text: &str, dialect: Dialect) -> Result<Workflow, Error> {
        self.check(name, text.into(), dialect)
    }

    /// Checks a workflow written in code.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong with it; positions are those of its JSON text.
    pub fn define(&self, workflow: &WorkflowBuilder) -> Result<Workflow, Error> {
        self.parse(&workflow.to_json())
    }

    /// Everything that there is to say about a document, warnings too; empty if there is nothing.
    ///
    /// # Errors
    /// If a plugin that it names cannot be opened.
    pub fn validate(&self, json: &str, dialect: Dialect) -> Result<Vec<Diagnostic>, Error> {
        match self.check("workflow", json.into(), dialect) {
            Ok(workflow) => Ok(workflow.warnings().to_vec()),
            Err(Error::Invalid(invalid)) => Ok(invalid.diagnostics),
            Err(error) => Err(error),
        }
    }

    fn check(&self, name: &str, source: Box<str>, dialect: Dialect) -> Result<Workflow, Error> {
        definition::check(name, source, dialect, &self.inner.checks, |plugins| {
            self.inner.registry.load(plugins)?;
            Ok(self.inner.methods.catalog())
        })
    }

    /// Makes a workflow known by id and version; on a journal for good, and this returns when that lasts. The same document
    /// twice is fine. True if it is new.
    ///
    /// # Errors
    /// If another document stands under its id and version.
    pub fn register(&self, workflow: &Workflow) -> Result<bool, Error> {
        Ok(self.inner.engine.register(workflow.source(), workflow.shared_plan())?)
    }

    /// Whether [`Host::register`] would make a new version known; nothing is registered by this.
    ///
    /// # Errors
    /// As [`Host::register`].
    pub fn can_register(&self, workflow: &Workflow) -> Result<bool, Error> {
        Ok(self.inner.engine.can_register(workflow.source(), workflow.plan())?)
    }

    /// What `workflow` changes of the registered version that it would follow: the newest that is not newer than itself, or else
    /// the oldest. That version, and what differs; `None` if no version is registered. Nothing is registered by this.
    #[must_use]
    pub fn compare(&self, workflow: &Workflow) -> Option<(Version, Vec<DocumentChange>)> {
        let known = self.inner.engine.workflows();
        let mut versions = known.iter().filter(|known| *known.id == *workflow.id()).peekable();
        let oldest = versions.peek().copied()?;
        let before =
            versions.take_while(|known| known.version <= *workflow.version()).last().unwrap_or(oldest);
        Some((before.version.clone(), changes(&before.document, workflow.source())))
    }

    /// Forgets a version of a workflow, or all versions if none is named. Runs that go on are not touched.
    ///
    /// # Errors
    /// If there is none.
    pub fn unregister(&self, id: &str, version: Option<&Version>) -> Result<(), Error> {
        Ok(self.inner.engine.unregister(id, version)?)
    }

    /// The newest registered version of a workflow that satisfies `range`, any if absent.
    ///
    /// # Errors
    /// If there is none, or it cannot run with the plugins that there are.
    pub fn workflow(&self, id: &str, range: Option<&VersionReq>) -> Result<Workflow, Error> {
        Ok(Workflow::registered(self.inner.engine.workflow(id, range)?))
    }

    /// All registered workflows, by id, then by version, oldest first.
    #[must_use]
    pub fn workflows(&self) -> Vec<WorkflowEntry> {
        self.inner.engine.workflows()
    }

    /// Runs a workflow to its end. A workflow that fails is an outcome, no error.
    ///
    /// # Errors
    /// If the input does not fit the workflow, or the host is being shut down.
    pub async fn run(&self, workflow: &Workflow, input: impl Into<Payload>) -> Result<Outcome, Error> {
        Ok(self.start(workflow, input)?.outcome().await)
    }

    /// Starts a run and returns at once.
    ///
    /// # Errors
    /// If the input does not fit the workflow, or the host is being shut down.
    pub fn start(&self, workflow: &Workflow, input: impl Into<Payload>) -> Result<Run, Error> {
        self.start_with(workflow, input, RunOptions::default())
    }

    /// Starts a run with an id of its own, or one that stops early.
    ///
    /// # Errors
    /// As [`Host::start`]; and if the id is taken, there is no step to stop after, or the trace context is none.
    pub fn start_with(
        &self,
        workflow: &Workflow,
        input: impl Into<Payload>,
        options: RunOptions,
    ) -> Result<Run, Error> {
        // it tells runs of the same id apart, or keeps them
        let is_needed = self.inner.engine.is_durable() || options.run_id.is_some();
        let document = is_needed.then(|| workflow.document());
        self.start_as(workflow, input.into(), options, document)
    }

    fn start_as(
        &self,
        workflow: &Workflow,
        input: Payload,
        options: RunOptions,
        document: Option<Document>,
    ) -> Result<Run, Error> {
        let request = StartRequest {
            run_id: options.run_id,
            plan: workflow.shared_plan(),
            input,
            config: self.inner.values.clone(),
            until: options.until,
            traceparent: options.traceparent,
            document,
            attach: options.attach,
            delay: options.delay,
        };
        Ok(Run::new(self.inner.engine.start(request)?))
    }

    /// The run of this id. One that is in no memory any more is read from the journal.
    ///
    /// # Errors
    /// If there is none; if it cannot be read.
    pub fn get(&self, run_id: &str) -> Result<Run, Error> {
        Ok(Run::new(self.inner.engine.get(run_id)?))
    }

    /// A former generation of a run that has gone on as new, to be read. Durable hosts keep the last ten.
    ///
    /// # Errors
    /// If there is no such run or generation, if it is not kept any more, if it cannot be read.
    pub fn generation(&self, run_id: &str, generation: u32) -> Result<Run, Error> {
        Ok(Run::new(self.inner.engine.generation(run_id, generation)?))
    }

    /// A page of the runs that `query` asks for, newest first, at most 1,000: of all that are kept, not only those in
    /// memory.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn query(&self, query: &RunQuery) -> Result<Page, Error> {
        Ok(self.inner.engine.query(query)?)
    }

    /// Counters of what this host has done since it was built, and how much waits for its turn: a snapshot.
    #[must_use]
    pub fn stats(&self) -> EngineStats {
        self.inner.engine.stats()
    }

    /// Counters of the journal; `None` if runs live in memory.
    #[must_use]
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.inner.engine.journal_stats()
    }

    /// The runs in memory that fit `filter`.
    #[must_use]
    pub fn list(&self, filter: &RunFilter) -> Vec<RunSummary> {
        self.inner.engine.list(filter)
    }

    /// Asks a run to end. On one that has ended it does nothing.
    ///
    /// # Errors
    /// If there is no such run.
    pub fn cancel(&self, run_id: &str, mode: CancelMode, reason: &str) -> Result<(), Error> {
        Ok(self.inner.engine.cancel(run_id, mode, reason)?)
    }

    /// Lets no more steps of a run start until it is resumed, see [`Run::pause`].
    ///
    /// # Errors
    /// If there is no such run, it has ended, or it is being stopped.
    pub fn pause(&self, run_id: &str, reason: &str) -> Result<(), Error> {
        Ok(self.inner.engine.pause(run_id, reason)?)
    }

    /// Lets a paused run go on.
    ///
    /// # Errors
    /// If there is no such run, or it has ended.
    pub fn resume(&self, run_id: &str) -> Result<(), Error> {
        Ok(self.inner.engine.resume(run_id)?)
    }

    /// Sends an event to a run, see [`Run::signal`].
    ///
    /// # Errors
    /// If there is no such run, and as [`Run::signal`].
    pub fn signal(&self, run_id: &str, event: &str, data: impl Into<Payload>) -> Result<(), Error> {
        Ok(self.inner.engine.signal(run_id, event, data.into())?)
    }

    /// Puts a message into a queue of a run, see [`Run::send`].
    ///
    /// # Errors
    /// If there is no such run, and as [`Run::signal`].
    pub fn send(&self, run_id: &str, queue: &str, message: impl Into<Payload>) -> Result<(), Error> {
        Ok(self.inner.engine.send(run_id, queue, message.into())?)
    }

    /// Asks every run to end gracefully; how many were asked.
    pub fn cancel_all(&self, reason: &str) -> usize {
        self.inner.engine.cancel_all(reason)
    }

    /// Blocks this thread until no run goes on, at most for `timeout`; whether none does.
    #[must_use]
    pub fn wait_all(&self, timeout: Duration) -> bool {
        self.inner.engine.wait_all(timeout)
    }

    /// Forgets a run that has ended for good, in the journal too.
    ///
    /// # Errors
    /// If there is no such run, or it goes on.
    pub fn delete(&self, run_id: &str) -> Result<(), Error> {
        self.inner.engine.delete(run_id)?;
        self.inner.lines.iter().for_each(|lines| lines.forget(run_id));
        Ok(())
    }

    /// Forgets runs in the journal that ended before `before`, for good; how many.
    ///
    /// # Errors
    /// If runs live in memory, or the journal cannot be written.
    pub fn prune(&self, before: Timestamp) -> Result<u64, Error> {
        let lines = &self.inner.lines;
        let forget = |run_id: &str| lines.iter().for_each(|lines| lines.forget(run_id));
        Ok(self.inner.engine.prune(before, forget)?)
    }

    /// Forgets a run that has ended.
    ///
    /// # Errors
    /// If there is no such run, or it goes on.
    pub fn forget(&self, run_id: &str) -> Result<(), Error> {
        Ok(self.inner.engine.forget(run_id)?)
    }

    /// All plugins that can be called, the application's own too, by name, newest version first. The schemas of
    /// plugins from files are `null` until a workflow or [`Host::plugin`] needs them.
    #[must_use]
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        self.inner.methods.catalog().plugins().to_vec()
    }

    /// All versions of one plugin with the schemas of their methods, newest first; empty if there is none.
    ///
    /// # Errors
    /// If one of them cannot be opened.
    pub fn plugin(&self, name: &str) -> Result<Vec<Arc<Plugin>>, Error> {
        self.inner.registry.load(&[name])?;
        Ok(self.inner.methods.catalog().versions(name).to_vec())
    }

    /// The full manifests of all versions of one plugin, newest first: all that it says about itself. Empty if there is
    /// no such plugin file; methods of the application have none.
    ///
    /// # Errors
    /// If one of them cannot be opened.
    pub fn plugin_manifests(&self, name: &str) -> Result<Vec<Manifest>, Error> {
        Ok(self.inner.registry.manifests(name)?)
    }

    /// Files in the plugin directories that cannot be used, and why.
    #[must_use]
    pub fn plugin_problems(&self) -> Vec<PluginProblem> {
        self.inner.registry.faults().iter().map(PluginProblem::new).collect()
    }

    /// Looks into the plugin directories again, so that what was added, mended or taken away there counts without a
    /// restart. Runs that go on keep what they began with. A workflow keeps the versions that it was checked with: load it
    /// again to have newer ones, and expect its next run to be refused if one of them is gone.
    pub fn rescan(&self) -> PluginChanges {
        let changes = self.inner.registry.rescan();
        self.inner.engine.plugins_changed();
        PluginChanges::new(changes, self.plugin_problems())
    }

    /// Calls one method, without a time limit, and waits for the result. `plugin` may be a name, of which the
    /// newest version is taken.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is no such method or the parameters do not fit its schema, [`Error::Failed`]
    /// with what the method failed with.
    pub async fn call(
        &self,
        plugin: &str,
        method: &str,
        parameters: impl Into<Payload>,
    ) -> Result<Payload, Error> {
        let run = self.start_call(plugin, method, parameters)?;
        let outcome = run.outcome().await;
        call_result(outcome)
    }

    /// Starts a call of one method as a run of its own, which can be watched and cancelled like any other.
    ///
    /// # Errors
    /// As [`Host::call`], without the failure of the method.
    pub fn start_call(
        &self,
        plugin: &str,
        method: &str,
        parameters: impl Into<Payload>,
    ) -> Result<Run, Error> {
        // the parameters travel as input, so that nothing in them is taken for a template
        let step = Step::call("call", plugin, method).params("${input}").no_timeout();
        let workflow = self.define(&Workflow::new("call").step(step))?;
        self.start_as(&workflow, parameters.into(), RunOptions::default(), None)
    }

    /// Makes a call of an `inline` method ready, to be made on the caller's own thread as often as it likes, or in its worker if
    /// it runs in one, outside of any run: without time limit, retries or records. The newest version of `plugin` is taken.
    ///
    /// # Errors
    /// [`Error::Setup`] if there is no such method or it is of another kind, [`Error::Plugin`] or
    /// [`Error::Failed`] if the plugin cannot be opened. The parameters are for the method to check.
    pub fn prepare_call(
        &self,
        plugin: &str,
        method: &str,
        parameters: impl Into<Payload>,
    ) -> Result<PreparedCall, Error> {
        self.inner.registry.load(&[plugin])?;
        PreparedCall::new(&*self.inner.methods, plugin, method, parameters.into())
    }

    /// Lets all versions of a plugin out of quarantine, where they came because of what they did to their workers. Which
    /// versions there were; none if it was not in there.
    ///
    /// # Errors
    /// If the list of quarantined plugins cannot be written.
    pub fn release_plugin(&self, name: &str) -> Result<Vec<PluginVersion>, Error> {
        Ok(self.inner.registry.release(name)?)
    }

    /// Stops taking runs, gives those that go on the configured grace, cancels the rest, joins the threads, and ends the
    /// workers of plugins.
    /// Blocks until that is done. Once is the same as twice.
    pub fn shutdown(&self) {
        self.inner.watcher.iter().for_each(Watcher::stop);
        self.inner.engine.shutdown();
        self.inner.registry.end_workers();
        self.inner.lines.iter().for_each(|lines| lines.close());
        self.inner.registry.exit_note().leave();
        self.inner.exporter.iter().for_each(Exporter::stop);
    }

    /// What became of the spans of this host; `None` if its configuration sends them nowhere.
    #[must_use]
    pub fn span_counts(&self) -> Option<SpanCounts> {
        self.inner.exporter.as_ref().map(Exporter::counts)
    }

    /// Hosts with the same data directory that ended without a shutdown before this one began, and the plugins that were open in
    /// their processes. Each is logged as a warning, too.
    #[must_use]
    pub fn unclean_exits(&self) -> &[UncleanExit] {
        self.inner.registry.unclean_exits()
    }

    /// What an application tells that ends its process without a shutdown of this host.
    #[must_use]
    pub fn exit_note(&self) -> ExitNote {
        self.inner.registry.exit_note()
    }
}

fn call_result(outcome: Outcome) -> Result<Payload, Error> {
    match outcome.error {
        None if outcome.is_completed() => Ok(outcome.output),
        Some(failure) => Err(Error::Failed(Box::new(failure))),
        None => Err(Error::Failed(Box::new(Failure::new(kind::CANCELLED, "the call was cancelled")))),
    }
}
