//! Where there are no sockets that take descriptors along there are no sessions; environments and packages there are.

use super::seats::Seat;
use super::terms::{Begin, Bounds, Ended, StartSpec};
use jackfield_child::Exit;
use jackfield_plugin_api::{Context, Error};

/// There is none.
pub(crate) enum Worker {}

/// Nor is there this.
#[derive(Clone)]
pub(crate) enum Handle {}

impl Handle {
    pub(crate) fn id(&self) -> u32 {
        match *self {}
    }

    pub(crate) fn exit(&self) -> Option<Exit> {
        match *self {}
    }

    pub(crate) fn kill(&self) {
        match *self {}
    }
}

impl Worker {
    /// # Errors
    /// `python.unsupported`, always.
    pub(crate) fn start(_spec: &StartSpec<'_>) -> Result<Self, Error> {
        let message =
            "sessions and executions need a Unix system; environments and packages work here as well";
        Err(Error::new("python.unsupported", message).permanent())
    }

    pub(crate) fn begin(&mut self, _begin: &Begin<'_>, _seat: Seat) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn version(&self) -> &str {
        match *self {}
    }

    pub(crate) fn handle(&self) -> Handle {
        match *self {}
    }

    pub(crate) fn execute(
        &mut self,
        _ctx: &Context,
        _request: &[u8],
        _bounds: Bounds,
    ) -> Result<Ended, Error> {
        match *self {}
    }

    pub(crate) fn close(self) {
        match self {}
    }
}
