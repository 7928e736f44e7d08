//! State that goes over between versions of a plugin (`jf.state/1`): handed to the host, or taken from it.

use super::Crew;
use crate::call::send_end;
use crate::process::die;
use crate::wire::Frame;
use jackfield_plugin_api::Error;
use jackfield_plugin_api::abi::Buffer;
use jackfield_plugin_api::abi::host::{CallFault, Instance};
use jackfield_plugin_api::worker::Kind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

impl Crew {
    /// Begins what the host asks for with a frame about state. It has a thread of its own, so that calls go on meanwhile.
    pub(super) fn hand_over(self: &Arc<Self>, frame: Frame) {
        let id = frame.call;
        let mut state = self.state.lock();
        // a host that asks after it has said that this is enough is not to be understood
        let Some(instance) = state.instance.clone() else { die() };
        state.cancelled.insert(id, (Arc::new(AtomicBool::new(false)), None));
        drop(state);
        let crew = Arc::clone(self);
        let work = move || {
            let ended = ask(&instance, &frame);
            drop(instance);
            crew.handed_over(id, ended);
        };
        if let Err(error) = std::thread::Builder::new().name("state".into()).spawn(work) {
            let error = Error::other(format!("the system gives no thread for it: {error}"));
            self.handed_over(id, Some(Err(CallFault::Failed(error))));
        }
    }

    fn handed_over(&self, id: u64, ended: Option<Result<Buffer, CallFault>>) {
        match ended {
            Some(result) => send_end(&self.wire, id, result, self.result_bytes_max),
            None => self.wire.send(Kind::NoState, id, &[]),
        }
        self.strike_off(id);
    }
}

/// What the plugin does with it; `None` if it neither hands state over nor takes any.
fn ask(instance: &Instance, frame: &Frame) -> Option<Result<Buffer, CallFault>> {
    match frame.kind {
        Kind::SaveState => instance.save_state(),
        _ => Some(instance.restore_state(&frame.body)?.map(|()| Buffer::from_vec(Vec::new()))),
    }
}
