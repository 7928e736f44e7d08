//! A Unix socket, for its owner only.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Name of the socket in the directory for data.
const FILE: &str = "jackfield.sock";
/// Longest path that every system takes for the address of a socket, in bytes.
const ADDRESS_MAX: usize = 100;

/// The file of an open socket.
#[derive(Debug)]
pub(super) struct Place(PathBuf);

impl Place {
    /// Takes the file away.
    pub(super) fn leave(&self) {
        // the next owner replaces what is left
        let _ = fs::remove_file(&self.0);
    }
}

/// The address of a socket that somebody listens on.
#[derive(Debug)]
pub struct SocketAddress(Near);

impl SocketAddress {
    /// The socket in `data_dir`, if a process listens there.
    #[must_use]
    pub fn find(data_dir: &Path) -> Option<Self> {
        let near = Near::new(data_dir, FILE).ok()?;
        UnixStream::connect(&near.path).ok().map(|_| Self(near))
    }

    /// A path to connect to, as long as this lives.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// A path to a file in a directory that is short enough for an address.
#[derive(Debug)]
struct Near {
    path: PathBuf,
    /// The path leads through it.
    _directory: Option<OwnedFd>,
}

impl Near {
    fn new(directory: &Path, name: &str) -> io::Result<Self> {
        let path = directory.join(name);
        if path.as_os_str().len() <= ADDRESS_MAX {
            return Ok(Self { path, _directory: None });
        }
        if !cfg!(target_os = "linux") {
            let why = format!(
                "`{}` is too long for the address of a socket, which may have {ADDRESS_MAX} bytes; choose a shorter \
                 directory for data",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        let opened = rustix::fs::open(directory, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())).join(name);
        Ok(Self { path, _directory: Some(opened) })
    }
}

/// Listens; the file appears when nobody but its owner can open it.
pub(super) fn bind(data_dir: &Path) -> io::Result<(tokio::net::UnixListener, Place)> {
    let draft = Near::new(data_dir, &format!(".{FILE}.{}", std::process::id()))?;
    match fs::remove_file(&draft.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&draft.path)?;
    fs::set_permissions(&draft.path, Permissions::from_mode(0o600))?;
    let place = data_dir.join(FILE);
    fs::rename(&draft.path, &place)?;
    listener.set_nonblocking(true)?;
    Ok((tokio::net::UnixListener::from_std(listener)?, Place(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_found_however_long_its_path_is_and_only_its_owner_may_open_it() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(100)).join("y".repeat(100));
        for data_dir in [dir.path(), &deep] {
            fs::create_dir_all(data_dir).unwrap();
            // what a process left behind is in nobody's way
            fs::write(data_dir.join(FILE), "").unwrap();
            assert!(SocketAddress::find(data_dir).is_none());
            let (listener, place) = bind(data_dir).unwrap();
            assert!(SocketAddress::find(data_dir).is_some(), "{}", data_dir.display());
            let mode = fs::metadata(data_dir.join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            drop(listener);
            assert!(SocketAddress::find(data_dir).is_none());
            place.leave();
            assert_eq!(
                fs::read_dir(data_dir).unwrap().filter(|it| !it.as_ref().unwrap().path().is_dir()).count(),
                0
            );
        }
    }
}
