//! The threads of a worker. Each in turn reads: whoever has read a call lets the next thread read on and makes the call
//! itself, so that a call is not handed from thread to thread. There is always one more thread than calls that block.

mod handover;

use crate::WorkerError;
use crate::call::{Beats, RemoteCall, deadline_left};
use crate::process::die;
use crate::requests::Requests;
use crate::ring::Ring;
use crate::shared::{self, Shared};
use crate::wire::{Frame, Reader, Wire};
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::{CallFault, CancelFunction, Canceller, Instance};
use jackfield_plugin_api::manifest::MethodKind;
use jackfield_plugin_api::worker::feature::Features;
use jackfield_plugin_api::worker::{Body, CallBody, Hello, Kind};
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

/// Where calls come from.
pub(crate) enum Source {
    Socket(Mutex<Reader>),
    Ring(Ring),
}

impl Source {
    /// The shared memory if everything goes there; the socket must then be silent until the host ends.
    pub(crate) fn new(mut reader: Reader, shared: Option<Shared>) -> std::io::Result<Self> {
        match shared {
            Some(shared) if shared.takes_all() => {
                shared::die_with(reader.into_socket())?;
                Ok(Self::Ring(Ring::new(&shared)))
            }
            shared => {
                shared.into_iter().for_each(|shared| reader.open(shared.inlet()));
                Ok(Self::Socket(Mutex::new(reader)))
            }
        }
    }
}

pub(crate) struct Crew {
    wire: Arc<Wire>,
    source: Source,
    kinds: Box<[MethodKind]>,
    cancel: Option<CancelFunction>,
    result_bytes_max: u64,
    features: Features,
    requests: Arc<Requests>,
    threads_max: usize,
    threads: AtomicUsize,
    /// Threads that wait for their turn to read.
    waiting: AtomicUsize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    instance: Option<Arc<Instance>>,
    /// What tells calls that they are to stop. What hands state over is among them, so that the process does not end meanwhile.
    cancelled: HashMap<u64, (Arc<AtomicBool>, Option<Arc<Canceller>>)>,
    is_ending: bool,
}

impl Crew {
    pub(crate) fn new(
        wire: Arc<Wire>,
        source: Source,
        instance: Arc<Instance>,
        (kinds, cancel): (Box<[MethodKind]>, Option<CancelFunction>),
        hello: &Hello,
    ) -> Arc<Self> {
        Arc::new(Self {
            wire,
            source,
            kinds,
            cancel,
            result_bytes_max: hello.result_bytes_max,
            features: Features::of(&hello.features),
            requests: Arc::default(),
            // one that reads while all others are in calls
            threads_max: hello.threads_max as usize + 1,
            threads: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            state: Mutex::new(State {
                instance: Some(instance),
                cancelled: HashMap::new(),
                is_ending: false,
            }),
            changed: Condvar::new(),
        })
    }

    /// Serves until the host wants no more and the calls that it has made have ended.
    pub(crate) fn serve(self: Arc<Self>) -> Result<(), WorkerError> {
        self.add_thread()?;
        let mut state = self.state.lock();
        while !(state.is_ending && state.cancelled.is_empty()) {
            self.changed.wait(&mut state);
        }
        let instance = state.instance.take();
        drop(state);
        // runs the plugin's own code for the end
        drop(instance);
        Ok(())
    }

    fn add_thread(self: &Arc<Self>) -> Result<(), WorkerError> {
        self.threads.fetch_add(1, Ordering::SeqCst);
        let crew = Arc::clone(self);
        let spawned = std::thread::Builder::new().name("call".into()).spawn(move || match &crew.source {
            Source::Socket(reader) => crew.member(reader),
            Source::Ring(ring) => crew.member_at(ring),
        });
        if let Err(error) = spawned {
            self.threads.fetch_sub(1, Ordering::SeqCst);
            return Err(error.into());
        }
        Ok(())
    }

    /// Body of a thread.
    fn member(self: &Arc<Self>, reader: &Mutex<Reader>) {
        loop {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            let mut reader = reader.lock();
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            let frame = match reader.next() {
                Ok(Some(frame)) => frame,
                // the host is gone, or not to be understood: nobody waits for what is going on here
                Ok(None) | Err(_) => die(),
            };
            match frame.kind {
                Kind::Call => {
                    let Some((call, instance)) = self.enter(frame) else { die() };
                    let is_last = self.waiting.load(Ordering::SeqCst) == 0
                        && self.threads.load(Ordering::SeqCst) < self.threads_max;
                    drop(reader);
                    if is_last {
                        // without another thread calls wait for each other, and the next one tries again
                        let _ = self.add_thread();
                    }
                    self.make(call, &instance);
                }
                Kind::Cancel => {
                    let canceller = self.cancel(frame.call);
                    let is_last = self.waiting.load(Ordering::SeqCst) == 0;
                    // what the plugin does then is its own affair: others read meanwhile
                    drop(reader);
                    if let Some(canceller) = canceller {
                        tell(canceller, is_last);
                    }
                }
                Kind::Answered | Kind::AnswerFailed => {
                    // whoever waits for the answer may do anything with it: others read meanwhile
                    drop(reader);
                    if self.requests.answered(frame).is_err() {
                        die();
                    }
                }
                Kind::SaveState | Kind::RestoreState => {
                    drop(reader);
                    self.hand_over(frame);
                }
                Kind::Shutdown => return self.end(),
                // something that a later host may say
                _ => {}
            }
        }
    }

    /// Body of a thread that looks for calls in the shared memory.
    fn member_at(self: &Arc<Self>, ring: &Ring) {
        let mut served = None;
        loop {
            // a host that is not to be understood is not served
            let Ok(frame) = ring.next(served.take()) else { die() };
            match frame.kind {
                Kind::Call => {
                    let Some((call, instance)) = self.enter(frame) else { die() };
                    if ring.is_deserted() && self.threads.load(Ordering::SeqCst) < self.threads_max {
                        // without another thread calls wait for each other, and the next one tries again
                        let _ = self.add_thread();
                    }
                    ring.leave();
                    served = Some(call.body.len());
                    self.make(call, &instance);
                }
                Kind::Cancel => {
                    if let Some(canceller) = self.cancel(frame.call) {
                        ring.leave();
                        tell(canceller, ring.is_deserted());
                    }
                }
                Kind::Answered | Kind::AnswerFailed => {
                    ring.leave();
                    if self.requests.answered(frame).is_err() {
                        die();
                    }
                }
                Kind::SaveState | Kind::RestoreState => self.hand_over(frame),
                Kind::Shutdown => return self.end(),
                // something that a later host may say
                _ => {}
            }
        }
    }

    fn enter(&self, Frame { call: id, body, .. }: Frame) -> Option<(RemoteCall, Arc<Instance>)> {
        let left = CallBody::deadline_left_ns(&body)?;
        let deadline = deadline_left(left).and_then(|left| Instant::now().checked_add(left));
        let cancelled = Arc::new(AtomicBool::new(false));
        let mut state = self.state.lock();
        let instance = state.instance.clone()?;
        let canceller = self.cancel.map(|function| Arc::new(Canceller::new(function)));
        state.cancelled.insert(id, (Arc::clone(&cancelled), canceller.clone()));
        let beats = self.features.heartbeat.then(Beats::default);
        let requests = self.features.call_method.then(|| Arc::clone(&self.requests));
        let wire = Arc::clone(&self.wire);
        let call = RemoteCall { id, wire, cancelled, canceller, deadline, beats, requests, body };
        Some((call, instance))
    }

    fn make(self: &Arc<Self>, call: RemoteCall, instance: &Arc<Instance>) {
        // it could be read when it was entered
        let Ok(body) = CallBody::decode(&call.body) else { die() };
        let kind = self.kinds.get(body.method_index as usize);
        if matches!(kind, Some(MethodKind::Async)) {
            let (crew, call) = (Arc::clone(self), Arc::new(call));
            let ended = Arc::clone(&call);
            let canceller = call.canceller.clone();
            return instance.start(call, canceller, Box::new(move |result| crew.leave(&ended, result)));
        }
        let canceller = call.canceller.as_deref();
        let result = instance.call_with(&RemoteCall::describe(&body), &call, canceller);
        self.leave(&call, result);
    }

    fn leave(&self, call: &RemoteCall, result: Result<Buffer, CallFault>) {
        call.end(result, self.result_bytes_max);
        self.strike_off(call.id);
    }

    fn strike_off(&self, id: u64) {
        let mut state = self.state.lock();
        state.cancelled.remove(&id);
        if state.is_ending {
            self.changed.notify_all();
        }
    }

    /// Sets the flag of a call; what tells it besides.
    fn cancel(&self, id: u64) -> Option<Arc<Canceller>> {
        let state = self.state.lock();
        let (cancelled, canceller) = state.cancelled.get(&id)?;
        cancelled.store(true, Ordering::SeqCst);
        canceller.clone()
    }

    fn end(&self) {
        self.state.lock().is_ending = true;
        self.changed.notify_all();
    }
}

/// Tells a call to stop: on this thread, or, if that is the last one that could read on, on one of its own.
fn tell(canceller: Arc<Canceller>, is_last: bool) {
    if is_last {
        let own = Arc::clone(&canceller);
        if std::thread::Builder::new().name("cancel".into()).spawn(move || own.cancel()).is_ok() {
            return;
        }
    }
    canceller.cancel();
}
