//! Files by Landlock: everything is refused except what is listed here and what is granted.

use super::super::{Grant, SandboxError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};
use std::io;
use std::path::{Path, PathBuf};

/// The newest Landlock whose rights this file knows; of an older kernel's, those that it has.
const NEWEST: ABI = ABI::V9;

/// What any process reads; what does not exist is left out. Without `/etc/ssl/private` and the like: no keys.
const READABLE: &[&str] = &[
    // libraries
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
    "/etc/ld.so.cache",
    // time zones
    "/etc/localtime",
    "/usr/share/zoneinfo",
    // certificates of authorities
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/ca-certificates",
    "/etc/pki/ca-trust/extracted",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    // random numbers, and the size of the machine for allocators and thread pools
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
];
/// What finding an address by its name reads.
const READABLE_NET: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/run/systemd/resolve",
];
/// Where programs and what they read stand.
const READABLE_EXEC: &[&str] = &["/bin", "/sbin", "/usr", "/lib", "/lib64", "/nix/store"];
/// Where anything may be written to because nothing is kept.
const WRITABLE: &[&str] = &["/dev/null"];

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ ReadFile | ReadDir });
/// Devices cannot be made, and a socket made by another process cannot be connected to.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    WriteFile | Truncate | Refer | RemoveFile | RemoveDir | MakeReg | MakeDir | MakeSym | MakeFifo | MakeSock
});

/// Restricts files. Answers the version of Landlock in force, or why there is none; fails if a path cannot be granted.
pub(super) fn restrict(grant: &Grant, readable: &[PathBuf]) -> Result<Result<u32, String>, SandboxError> {
    let mut rules = Vec::new();
    for path in readable {
        let refuse = |source| SandboxError::Readable { path: path.clone(), source };
        rules.push(rule(path, READ).map_err(refuse)?);
    }
    let read = if grant.exec { READ | AccessFs::Execute } else { READ };
    for (key, paths, access) in [("fs.read", &grant.fs.read, read), ("fs.write", &grant.fs.write, WRITE)] {
        for path in paths {
            let refuse = |source| SandboxError::Path { key, path: path.clone(), source };
            rules.push(rule(path, access).map_err(refuse)?);
        }
    }
    let net = if grant.net { READABLE_NET } else { &[] };
    let exec = if grant.exec { READABLE_EXEC } else { &[] };
    for (paths, access) in [(READABLE, READ), (net, READ), (exec, read), (WRITABLE, WRITE)] {
        // each system has some of them
        rules.extend(paths.iter().filter_map(|path| rule(Path::new(path), access).ok()));
    }
    Ok(enforce(grant, rules).unwrap_or_else(|error| Err(format!("files, Landlock fails ({error})"))))
}

fn rule(path: &Path, access: BitFlags<AccessFs>) -> io::Result<PathBeneath<PathFd>> {
    if !path.is_absolute() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is not absolute"));
    }
    let is_dir = path.metadata()?.is_dir();
    let opened = PathFd::new(path).map_err(io::Error::other)?;
    let access = if is_dir { access } else { access & AccessFs::from_file(NEWEST) };
    Ok(PathBeneath::new(opened, access))
}

fn enforce(grant: &Grant, rules: Vec<PathBeneath<PathFd>>) -> Result<Result<u32, String>, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(NEWEST))?;
    // signals to and abstract sockets of processes outside
    ruleset = ruleset.scope(Scope::from_all(NEWEST))?;
    if !grant.net {
        ruleset = ruleset.handle_access(AccessNet::from_all(NEWEST))?;
    }
    let add = |set: RulesetCreated, rule| set.add_rule(rule);
    let status = rules.into_iter().try_fold(ruleset.create()?, add)?.restrict_self()?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => Ok(effective_abi as u32),
        LandlockStatus::NotEnabled => {
            Err("files, the kernel has Landlock but it is not enabled (add `landlock` to `lsm=`)".to_owned())
        }
        LandlockStatus::NotImplemented => {
            Err("files, the kernel has no Landlock (Linux 6.2 or newer is needed)".to_owned())
        }
    })
}
