//! What a plugin might try, each by the ordinary way of the standard library or of the system.

use crate::calls;
use rustix::fs::Timespec;
use rustix::process::{Pid, Resource, Signal};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime};

/// One thing to try.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Action {
    Read(PathBuf),
    List(PathBuf),
    Write(PathBuf),
    /// Opens for reading and cuts to nothing at once.
    Cut(PathBuf),
    Remove(PathBuf),
    Rename(PathBuf, PathBuf),
    ChmodPath(PathBuf),
    ChmodOpened(PathBuf),
    TimesOpened(PathBuf),
    TimesPath(PathBuf),
    Connect(std::net::SocketAddr),
    Resolve(String),
    Udp,
    UnixConnect(PathBuf),
    UnixAbstract(String),
    UnixPair,
    UnixDatagramPair,
    /// Anonymous shared memory of 64 KiB, written and read.
    SharedMemory,
    Spawn(String, Vec<String>),
    SpawnAndKill,
    Fork,
    Threads,
    ReadInThread(PathBuf),
    Kill(i32),
    /// Has the kernel signal a process whenever something can be read.
    SignalOnInput(i32),
    SignalSelf,
    LimitOther(i32),
    Allocate(usize),
    OpenMany,
    /// Uses 5 seconds of processor time.
    Burn,
    Variables,
    Capabilities,
    CoreLimit,
    /// A system call by its number, with these arguments.
    Call(i64, [i64; 5]),
    /// The same on another thread of the process: its number takes the place of this argument.
    CallOnThread(i64, [i64; 5], usize),
}

/// Tries it; the text says what came of it.
pub(crate) fn perform(action: &Action) -> io::Result<String> {
    match action {
        Action::Read(path) => fs::read(path).map(|bytes| format!("{} bytes", bytes.len())),
        Action::List(path) => fs::read_dir(path).map(|entries| format!("{} entries", entries.count())),
        Action::Write(path) => fs::write(path, "x").map(|()| "written".to_owned()),
        Action::Cut(path) => {
            let mut options = OpenOptions::new();
            options.read(true).custom_flags(libc::O_TRUNC).open(path).map(|_| "cut".to_owned())
        }
        Action::Remove(path) => fs::remove_file(path).map(|()| "removed".to_owned()),
        Action::Rename(from, to) => fs::rename(from, to).map(|()| "renamed".to_owned()),
        Action::ChmodPath(path) => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map(|()| "changed".to_owned())
        }
        Action::ChmodOpened(path) => {
            let mode = fs::Permissions::from_mode(0o600);
            open_to_write(path)?.set_permissions(mode).map(|()| "changed".to_owned())
        }
        Action::TimesOpened(path) => {
            open_to_write(path)?.set_modified(SystemTime::UNIX_EPOCH).map(|()| "changed".to_owned())
        }
        Action::TimesPath(path) => set_times(path),
        other => perform_outside(other),
    }
}

fn perform_outside(action: &Action) -> io::Result<String> {
    match action {
        Action::Connect(address) => TcpStream::connect(address).map(|_| "connected".to_owned()),
        Action::Resolve(name) => {
            (name.as_str(), 80).to_socket_addrs().map(|found| format!("{} found", found.count()))
        }
        Action::Udp => UdpSocket::bind("127.0.0.1:0").map(|_| "bound".to_owned()),
        Action::UnixConnect(path) => UnixStream::connect(path).map(|_| "connected".to_owned()),
        Action::UnixAbstract(name) => {
            UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?).map(|_| "connected".to_owned())
        }
        Action::UnixPair => UnixStream::pair()?.0.write_all(b"x").map(|()| "sent".to_owned()),
        Action::UnixDatagramPair => UnixDatagram::pair().map(|_| "made".to_owned()),
        Action::SharedMemory => {
            let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
            let memory = File::from(rustix::fs::memfd_create("test", flags)?);
            memory.set_len(65_536)?;
            memory.write_all_at(b"x", 65_535)?;
            rustix::fs::fcntl_add_seals(&memory, rustix::fs::SealFlags::SHRINK)?;
            let mut last = [0];
            memory.read_exact_at(&mut last, 65_535)?;
            Ok(format!("{} read", char::from(last[0])))
        }
        Action::Spawn(program, arguments) => {
            let output = Command::new(program).args(arguments).output()?;
            Ok(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stdout)))
        }
        Action::SpawnAndKill => {
            let mut child = Command::new("/bin/sleep").arg("600").stdout(Stdio::null()).spawn()?;
            child.kill()?;
            Ok(child.wait()?.to_string())
        }
        Action::Fork => calls::fork().map(|()| "forked".to_owned()),
        Action::Threads => {
            let threads: Vec<_> = (0..8).map(|it| thread::spawn(move || it)).collect();
            Ok(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>().to_string())
        }
        Action::ReadInThread(path) => {
            let path = path.clone();
            thread::spawn(move || fs::read(path)).join().unwrap().map(|_| "read".to_owned())
        }
        other => perform_on_processes(other),
    }
}

fn perform_on_processes(action: &Action) -> io::Result<String> {
    match action {
        Action::Kill(pid) => {
            rustix::process::kill_process(pid_of(*pid), Signal::KILL)?;
            Ok("sent".to_owned())
        }
        Action::SignalOnInput(pid) => calls::signal_on_input(*pid).map(|()| "set".to_owned()),
        Action::SignalSelf => {
            // 0 is no signal, only the question whether one could be sent
            rustix::process::test_kill_process(rustix::process::getpid())?;
            Ok("sent".to_owned())
        }
        Action::LimitOther(pid) => {
            let now = rustix::process::getrlimit(Resource::Nofile);
            rustix::process::prlimit(Some(pid_of(*pid)), Resource::Nofile, now)?;
            Ok("set".to_owned())
        }
        Action::Allocate(bytes) => {
            let reserved = Vec::<u8>::new().try_reserve_exact(*bytes);
            reserved.map(|()| "allocated".to_owned()).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))
        }
        Action::OpenMany => {
            let mut files = Vec::new();
            while files.len() < 10_000 {
                files.push(File::open("/dev/null")?);
            }
            Ok("10000 open".to_owned())
        }
        Action::Burn => {
            let used = || rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_sec;
            while used() < 5 {
                std::hint::spin_loop();
            }
            Ok("5 s used".to_owned())
        }
        Action::Variables => Ok(std::env::vars().map(|(name, _)| name).collect::<Vec<_>>().join(" ")),
        Action::Capabilities => {
            let sets = rustix::thread::capabilities(None)?;
            Ok(format!("{:x}", (sets.effective | sets.permitted | sets.inheritable).bits()))
        }
        Action::CoreLimit => Ok(format!("{:?}", rustix::process::getrlimit(Resource::Core).maximum)),
        Action::Call(number, arguments) => calls::call(*number, *arguments).map(|answer| answer.to_string()),
        Action::CallOnThread(number, arguments, place) => call_on_thread(*number, *arguments, *place),
        other => unreachable!("{other:?} is tried elsewhere"),
    }
}

fn call_on_thread(number: i64, mut arguments: [i64; 5], place: usize) -> io::Result<String> {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        ended.recv().ok();
    });
    arguments[place] = told.recv().unwrap().as_raw_nonzero().get().into();
    let answer = calls::call(number, arguments);
    drop(end);
    thread.join().unwrap();
    answer.map(|answer| answer.to_string())
}

fn open_to_write(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().write(true).open(path)
}

fn set_times(path: &PathBuf) -> io::Result<String> {
    let time = Timespec { tv_sec: Duration::from_secs(1).as_secs().cast_signed(), tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::empty())?;
    Ok("changed".to_owned())
}

fn pid_of(pid: i32) -> Pid {
    Pid::from_raw(pid).expect("the test names a process")
}
