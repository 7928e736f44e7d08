//! Files: only what is granted, and what every process needs.

use crate::actions::Action;
use crate::child::{self, Order};
use crate::{run, sandbox};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

/// A directory with the file `in`, beside another with the file `out`; both directories are granted by the key.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["granted", "other"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("file"), "contents").unwrap();
        }
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn grant(&self, key: &str) -> String {
        format!("grant = {{ fs = {{ {key} = ['{}'] }} }}", self.path("granted").display())
    }
}

#[test]
fn nothing_can_be_read_without_a_grant() {
    let place = Place::new();
    assert_eq!(run("", &[Action::Read("/etc/passwd".into())]).only(), Err(libc::EACCES));
    assert_eq!(run("", &[Action::List("/etc".into())]).only(), Err(libc::EACCES));
    assert_eq!(run("", &[Action::List("/proc/self".into())]).only(), Err(libc::EACCES));
    assert_eq!(run("", &[Action::Read("/etc/ssl/private".into())]).only(), Err(libc::EACCES));
    assert_eq!(run("", &[Action::Read(place.path("granted/file"))]).only(), Err(libc::EACCES));
    let off = run("sandbox = 'off'", &[Action::Read("/etc/passwd".into())]);
    assert!(off.only().is_ok());
}

#[test]
fn read_grants_reading_and_listing_what_it_names_and_nothing_else() {
    let place = Place::new();
    let grant = place.grant("read");
    let file = place.path("granted/file");
    assert_eq!(run(&grant, &[Action::Read(file.clone())]).only().unwrap(), "8 bytes");
    assert_eq!(run(&grant, &[Action::List(place.path("granted"))]).only().unwrap(), "1 entries");
    for refused in [
        Action::Read(place.path("granted/../other/file")),
        Action::Read("/etc/passwd".into()),
        Action::Write(file.clone()),
        Action::Write(place.path("granted/new")),
        Action::Cut(file.clone()),
        Action::Remove(file.clone()),
    ] {
        assert_eq!(run(&grant, std::slice::from_ref(&refused)).only(), Err(libc::EACCES), "{refused:?}");
    }
    assert_eq!(fs::read(file).unwrap(), b"contents");
}

#[test]
fn one_file_can_be_granted() {
    let place = Place::new();
    let grant = format!("grant = {{ fs = {{ read = ['{}'] }} }}", place.path("granted/file").display());
    assert!(run(&grant, &[Action::Read(place.path("granted/file"))]).only().is_ok());
    assert_eq!(run(&grant, &[Action::List(place.path("granted"))]).only(), Err(libc::EACCES));
}

#[test]
fn a_link_in_a_granted_directory_does_not_lead_out_of_it() {
    let place = Place::new();
    std::os::unix::fs::symlink("/etc/passwd", place.path("granted/link")).unwrap();
    let read = run(&place.grant("read"), &[Action::Read(place.path("granted/link"))]);
    assert_eq!(read.only(), Err(libc::EACCES));
}

#[test]
fn write_grants_changing_what_it_names_but_not_reading_it() {
    let place = Place::new();
    let grant = place.grant("write");
    let file = place.path("granted/file");
    for done in [
        Action::Write(place.path("granted/new")),
        Action::Write(file.clone()),
        Action::Rename(place.path("granted/new"), place.path("granted/newer")),
        Action::Remove(place.path("granted/newer")),
        Action::ChmodOpened(file.clone()),
        Action::TimesOpened(file.clone()),
    ] {
        let result = run(&grant, std::slice::from_ref(&done)).only();
        assert!(result.is_ok(), "{done:?}: {result:?}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"x");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(run(&grant, &[Action::Read(file)]).only(), Err(libc::EACCES));
    for refused in [
        Action::Write(place.path("other/new")),
        Action::Write(place.path("other/file")),
        Action::Cut(place.path("other/file")),
        Action::Remove(place.path("other/file")),
        Action::Rename(place.path("granted/file"), place.path("other/moved")),
    ] {
        let errno = run(&grant, std::slice::from_ref(&refused)).only().unwrap_err();
        assert!([libc::EACCES, libc::EXDEV].contains(&errno), "{refused:?}: {errno}");
    }
    assert_eq!(fs::read(place.path("other/file")).unwrap(), b"contents");
}

#[test]
fn files_move_between_directories_that_are_both_granted() {
    let place = Place::new();
    let both = format!(
        "grant = {{ fs = {{ write = ['{}', '{}'] }} }}",
        place.path("granted").display(),
        place.path("other").display()
    );
    let action = Action::Rename(place.path("granted/file"), place.path("other/moved"));
    assert_eq!(run(&both, &[action]).only().unwrap(), "renamed");
}

#[test]
fn attributes_are_not_changed_by_path_because_the_kernel_does_not_judge_the_path() {
    let place = Place::new();
    for grant in ["", &place.grant("write")] {
        for path in ["granted/file", "other/file"] {
            for action in [Action::ChmodPath(place.path(path)), Action::TimesPath(place.path(path))] {
                assert_eq!(run(grant, std::slice::from_ref(&action)).only(), Err(libc::EPERM), "{action:?}");
            }
        }
    }
    assert!(run("sandbox = 'off'", &[Action::ChmodPath(place.path("other/file"))]).only().is_ok());
    assert!(run("sandbox = 'off'", &[Action::TimesPath(place.path("other/file"))]).only().is_ok());
}

#[test]
fn every_plugin_reads_libraries_certificates_and_random_numbers() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().filter_map(|line| line.split_once('/')).map(|(_, path)| format!("/{path}"));
    let libc = libc.into_iter().find(|path| path.contains("libc.so") || path.contains("ld-"));
    let libc = libc.expect("the C library is mapped");
    for path in [libc.as_str(), "/etc/localtime", "/dev/null"] {
        if PathBuf::from(path).exists() {
            assert!(run("", &[Action::Read(path.into())]).only().is_ok(), "{path}");
        }
    }
    assert!(run("", &[Action::Write("/dev/null".into())]).only().is_ok());
    if PathBuf::from("/etc/ssl/certs").exists() {
        assert!(run("", &[Action::List("/etc/ssl/certs".into())]).only().is_ok());
    }
}

#[test]
fn the_workers_own_files_are_readable_beside_the_grant() {
    let place = Place::new();
    let readable = vec![place.path("granted/file")];
    let actions = [place.path("granted/file"), place.path("other/file")].map(Action::Read).to_vec();
    let answer = child::order(&Order { sandbox: sandbox(""), readable, actions, ..Order::default() });
    assert!(answer.results[0].is_ok());
    assert!(answer.results[1].is_err());
}

#[test]
fn threads_are_restricted_too() {
    assert_eq!(run("", &[Action::ReadInThread("/etc/passwd".into())]).only(), Err(libc::EACCES));
}
