//! Watches where plugins come from, and looks again when something has changed. One thread; the system tells it of
//! changes, and it waits until files that are being written are whole.

use crate::{Error, PluginChanges, PluginProblem};
use jackfield_loader::{Places, PluginVersion, Registry};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A file counts as written when nothing has happened to it for this long, and it is whole.
const QUIET: Duration = Duration::from_millis(200);
/// A file that is not whole is looked at nevertheless when nothing has happened to it for this long: nobody writes it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often is asked whether a directory that was not there has come, or was replaced by another.
const TICK: Duration = Duration::from_millis(500);
/// Signals that wait to be read; when there are more, everything is looked at.
const SIGNALS_MAX: usize = 1024;

/// Told of every change, on the thread that watches.
pub(crate) type Hearer = Arc<dyn Fn(&PluginChanges) + Send + Sync>;

enum Signal {
    /// Something happened to this path.
    Touched(PathBuf),
    /// The last run that needed some plugin has ended.
    Idle,
    Stop,
}

/// The handle on the thread. Dropping it ends the thread.
pub(crate) struct Watcher {
    signals: SyncSender<Signal>,
    is_stopped: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watcher {
    pub(crate) fn start(registry: Arc<Registry>, hearer: Option<Hearer>) -> Result<Self, Error> {
        let (signals, inbox) = sync_channel(SIGNALS_MAX);
        let has_lost = Arc::new(AtomicBool::new(false));
        let (sender, lost) = (signals.clone(), has_lost.clone());
        let hear = move |event: notify::Result<notify::Event>| {
            for signal in signals_of(event, &lost) {
                if sender.try_send(signal).is_err() {
                    lost.store(true, Ordering::SeqCst);
                }
            }
        };
        let refused =
            |error: notify::Error| Error::setup(format!("plugin directories cannot be watched: {error}"));
        let eyes = notify::recommended_watcher(hear).map_err(refused)?;
        let is_draining = Arc::new(AtomicBool::new(false));
        let (idle, cares) = (signals.clone(), is_draining.clone());
        registry.on_idle(Arc::new(move || {
            if cares.load(Ordering::SeqCst) {
                // if there is no room the next tick finds out
                let _ = idle.try_send(Signal::Idle);
            }
        }));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let mut guard = Guard::new(registry, hearer, eyes, Alarms { has_lost, is_draining });
        // something may have changed since the registry was opened
        guard.is_dirty = guard.watch();
        let stop = is_stopped.clone();
        let thread = thread::Builder::new()
            .name("jackfield-plugins".into())
            .spawn(move || guard.run(&inbox, &stop))
            .map_err(|error| Error::setup(format!("plugin directories cannot be watched: {error}")))?;
        Ok(Self { signals, is_stopped, thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread and waits for it, unless this is the thread itself.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        // a full inbox wakes it as well
        let _ = self.signals.try_send(Signal::Stop);
        if let Some(thread) = self.thread.lock().take()
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watches plugin directories has panicked");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop();
    }
}

fn signals_of(event: notify::Result<notify::Event>, has_lost: &AtomicBool) -> Vec<Signal> {
    match event {
        // reading changes nothing
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => Vec::new(),
        Ok(event) if event.need_rescan() => {
            has_lost.store(true, Ordering::SeqCst);
            Vec::new()
        }
        Ok(event) => event.paths.into_iter().map(Signal::Touched).collect(),
        Err(error) => {
            tracing::warn!(%error, "watching plugin directories met an error; everything is looked at");
            has_lost.store(true, Ordering::SeqCst);
            Vec::new()
        }
    }
}

/// What the thread knows.
struct Guard {
    registry: Arc<Registry>,
    hearer: Option<Hearer>,
    eyes: RecommendedWatcher,
    alarms: Alarms,
    places: Places,
    /// Directories that are to be watched, with what stood there when they were last looked at.
    watched: BTreeMap<PathBuf, Option<Identity>>,
    /// As the system names directories, and as the configuration does.
    names: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Plugin files that something happened to, and when it last did.
    touched: BTreeMap<PathBuf, Instant>,
    is_dirty: bool,
    draining: Vec<PluginVersion>,
    problems: BTreeSet<String>,
}

/// What other threads and this one tell each other.
struct Alarms {
    /// Whether changes may have been missed.
    has_lost: Arc<AtomicBool>,
    /// Whether it is of interest that runs end.
    is_draining: Arc<AtomicBool>,
}

/// What tells a directory from another at the same place.
type Identity = (u64, u64);

impl Guard {
    fn new(
        registry: Arc<Registry>,
        hearer: Option<Hearer>,
        eyes: RecommendedWatcher,
        alarms: Alarms,
    ) -> Self {
        let places = registry.places();
        let parents = places.files.iter().chain(&places.lists).map(|file| parent(file));
        let directories = places.directories.iter().cloned().chain(parents);
        let watched = directories.map(|directory| (directory, None)).collect();
        let problems = registry.faults().iter().map(ToString::to_string).collect();
        Self {
            registry,
            hearer,
            eyes,
            alarms,
            places,
            watched,
            names: BTreeMap::new(),
            touched: BTreeMap::new(),
            is_dirty: false,
            draining: Vec::new(),
            problems,
        }
    }

    fn run(&mut self, inbox: &Receiver<Signal>, is_stopped: &AtomicBool) {
        let mut next_tick = Instant::now() + TICK;
        while !is_stopped.load(Ordering::SeqCst) {
            let wake = if self.touched.is_empty() { next_tick } else { Instant::now() + QUIET / 4 };
            match inbox.recv_timeout(wake.saturating_duration_since(Instant::now())) {
                Ok(Signal::Touched(path)) => self.touch(&path),
                Ok(Signal::Idle) => self.tell_drained(),
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.is_dirty |= self.watch();
                self.tell_drained();
            }
            self.is_dirty |= self.alarms.has_lost.swap(false, Ordering::SeqCst);
            self.settle();
            if std::mem::take(&mut self.is_dirty) {
                self.look();
            }
        }
    }

    /// Watches directories that have come, or were replaced, since the last time; whether there were any.
    fn watch(&mut self) -> bool {
        let mut has_news = false;
        for (directory, seen) in &mut self.watched {
            let real = real(directory);
            let now = identity(real);
            if *seen == now {
                continue;
            }
            *seen = now;
            has_news = true;
            // what is gone is not watched any more, or never was
            let _ = self.eyes.unwatch(real);
            if now.is_none() {
                continue;
            }
            if let Err(error) = self.eyes.watch(real, RecursiveMode::NonRecursive) {
                tracing::warn!(directory = %directory.display(), %error, "a plugin directory cannot be watched");
            }
            for name in [std::path::absolute(real), real.canonicalize()].into_iter().flatten() {
                self.names.entry(name).or_default().insert(directory.clone());
            }
        }
        has_news
    }

    fn touch(&mut self, path: &Path) {
        for directory in self.names.get(path).into_iter().flatten() {
            // it may have been replaced by another, and is watched anew at the next tick
            self.watched.insert(directory.clone(), None);
            self.is_dirty = true;
        }
        let (Some(directories), Some(name)) = (self.names.get(&parent(path)), path.file_name()) else {
            return;
        };
        for directory in directories {
            let path = directory.join(name);
            if self.is_library(directory, &path) {
                self.touched.insert(path, Instant::now());
            } else if self.places.lists.contains(&path)
                || (has_extension(&path, "minisig") && self.is_library(directory, &path.with_extension("")))
            {
                self.is_dirty = true;
            }
        }
    }

    fn is_library(&self, directory: &PathBuf, path: &Path) -> bool {
        self.places.files.iter().any(|file| file == path)
            || (self.places.directories.contains(directory)
                && has_extension(path, std::env::consts::DLL_EXTENSION))
    }

    /// Files that are whole, or that nobody writes any more, are to be looked at.
    fn settle(&mut self) {
        let before = self.touched.len();
        let registry = &self.registry;
        self.touched.retain(|file, at| {
            let quiet = at.elapsed();
            quiet < QUIET || (file.is_file() && quiet < PATIENCE && !registry.is_whole(file))
        });
        self.is_dirty |= self.touched.len() < before;
    }

    fn look(&mut self) {
        let unsettled = self.touched.keys().cloned().collect();
        let changes = self.registry.rescan_without(&unsettled);
        let problems: Vec<PluginProblem> = self.registry.faults().iter().map(PluginProblem::new).collect();
        let mut changes = PluginChanges::new(changes, problems);
        changes.drained = self.drained();
        let known = changes.problems.iter().map(|problem| problem.message.clone()).collect();
        let fresh = changes.problems.iter().filter(|problem| !self.problems.contains(&problem.message));
        let mut has_news = changes.is_change() || self.problems.difference(&known).next().is_some();
        for problem in fresh {
            has_news = true;
            tracing::warn!(code = problem.code, "{} {}", problem.message, problem.remedy);
        }
        self.problems = known;
        if has_news {
            self.tell(&changes);
        }
    }

    /// What was draining and is not any more.
    fn drained(&mut self) -> Vec<PluginVersion> {
        // asked for before looking: a run that ends in between is told of
        self.alarms.is_draining.store(true, Ordering::SeqCst);
        let now = self.registry.draining();
        self.alarms.is_draining.store(!now.is_empty(), Ordering::SeqCst);
        let before = std::mem::replace(&mut self.draining, now);
        before.into_iter().filter(|plugin| !self.draining.contains(plugin)).collect()
    }

    fn tell_drained(&mut self) {
        let drained = self.drained();
        if drained.is_empty() {
            return;
        }
        let problems = self.registry.faults().iter().map(PluginProblem::new).collect();
        let draining = self.draining.clone();
        self.tell(&PluginChanges { drained, draining, problems, ..PluginChanges::default() });
    }

    fn tell(&self, changes: &PluginChanges) {
        let said = [
            ("can be called now", &changes.added),
            ("cannot be called any more", &changes.removed),
            ("has other contents now", &changes.replaced),
            ("is still needed by runs and drains", &changes.draining),
            ("has drained", &changes.drained),
        ];
        for (what, plugins) in said {
            for plugin in plugins {
                tracing::info!(plugin = plugin.name, version = %plugin.version, "plugin {plugin} {what}");
            }
        }
        if let Some(hearer) = &self.hearer {
            hearer(changes);
        }
    }
}

fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}

/// The directory of a file as it was named; empty for the current one.
fn parent(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

fn real(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

#[cfg(unix)]
fn identity(directory: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(directory).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(directory: &Path) -> Option<Identity> {
    directory.is_dir().then_some((0, 0))
}
