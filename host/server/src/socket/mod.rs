//! The socket in the directory for data, by which commands find the process that owns its journal.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

pub use system::SocketAddress;

use crate::router;
use jackfield::Host;
use std::io;
use std::path::Path;
use std::time::Duration;
use tokio::sync::watch;

/// How long requests that are being answered may take once the socket is to close.
const FAREWELL: Duration = Duration::from_secs(1);

/// An open socket; it closes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    place: system::Place,
    closing: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Socket {
    /// Opens the socket in `data_dir` and answers for `host` on a thread of its own. Only the owner of the journal there may do
    /// that: a socket that a process left behind is replaced.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn open(data_dir: &Path, host: Host) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (listener, place) = {
            let _inside = runtime.enter();
            system::bind(data_dir)?
        };
        let (closing, closed) = watch::channel(false);
        let thread = std::thread::Builder::new().name("jackfield-socket".to_owned()).spawn(move || {
            let served = runtime.block_on(async {
                let serving =
                    axum::serve(listener, router(host)).with_graceful_shutdown(told(closed.clone()));
                let too_late = async {
                    told(closed).await;
                    tokio::time::sleep(FAREWELL).await;
                };
                tokio::select! {
                    served = serving => served,
                    () = too_late => Ok(()),
                }
            });
            if let Err(error) = served {
                tracing::error!("the socket answers no more: {error}");
            }
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Self { place, closing, thread: Some(thread) })
    }
}

/// Ends when the socket is to close.
async fn told(mut closed: watch::Receiver<bool>) {
    // a sender that is gone has closed it, too
    let _ = closed.wait_for(|closed| *closed).await;
}

impl Drop for Socket {
    fn drop(&mut self) {
        // whoever comes now finds nobody, rather than somebody who is about to leave
        self.place.leave();
        self.closing.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // it has logged what there is to say
            let _ = thread.join();
        }
    }
}
