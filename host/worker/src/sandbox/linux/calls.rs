//! System calls by seccomp: what Landlock does not see. Everything is allowed except what is listed here.
//!
//! A refusal is an error (`EPERM`, or `ENOSYS` where the C library then takes an older call), never a kill, so that the
//! plugin can report it. Only arguments in registers can be judged; where the kernel reads a structure from memory
//! instead (`clone3`), the whole call goes.

use super::super::Grant;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter, sock_filter,
};
use std::collections::BTreeMap;

/// Rules by number of the call; without rules it is refused whatever its arguments are.
type Refusals = BTreeMap<i64, Vec<SeccompRule>>;

/// The newest call that was looked at when this list was made: `file_setattr` of Linux 6.17. Whatever comes after it
/// does not exist for a plugin, and neither does x86-64's second table of calls (x32), whose numbers are higher still.
const CALL_LAST: u32 = 469;

/// Refused whatever is granted. The numbers from 424 on are the same on all architectures.
const ALWAYS: &[i64] = &[
    // other processes: their memory, descriptors and pages
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_migrate_pages,
    libc::SYS_move_pages,
    // what would be done behind this filter's back, and large attack surfaces
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // another view of the file system
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    467, // open_tree_attr
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_fanotify_mark,
    // leaving the process group, by which the host ends a worker and what it started
    libc::SYS_setsid,
    libc::SYS_setpgid,
    // the machine
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_syslog,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    // memory, queues and locks that are found by a number or a name and shared with any process of the user
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // owner and attributes of a file by its path, which Landlock does not judge
    libc::SYS_fchmodat,
    452, // fchmodat2
    libc::SYS_fchownat,
    libc::SYS_fchown,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    463, // setxattrat
    466, // removexattrat
    469, // file_setattr
];

/// Those that only x86-64 has, or that have another number there.
#[cfg(target_arch = "x86_64")]
const ALWAYS_HERE: &[i64] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_HERE: &[i64] = &[294]; // kexec_file_load

/// Refused without `exec`.
#[cfg(target_arch = "x86_64")]
const EXEC: &[i64] = &[libc::SYS_execve, libc::SYS_execveat, libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const EXEC: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// Refused without `net`.
const NET: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
];

/// Answered as if the kernel did not know them. Without `clone3` threads are made by `clone`, whose flags can be judged.
const UNKNOWN: &[i64] = &[libc::SYS_clone3];

/// Kinds of `clone` that make a namespace.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Requests that put words into a terminal, or have another process signalled.
const IOCTLS: &[u32] = &[0x5412, 0x541C, 0x8901, 0x8902]; // TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP
/// The same by `fcntl`.
const FCNTLS: &[u32] = &[8, 15]; // F_SETOWN, F_SETOWN_EX

/// Who keeps signals within the sandbox.
#[derive(Clone, Copy)]
pub(super) struct Signals {
    /// Whether Landlock does; then the C libraries that signal a thread by `tkill` may.
    pub(super) are_scoped: bool,
}

/// Bits of a socket's type that are not flags.
const SOCK_TYPE_MASK: u64 = 0xf;

/// Puts the filters in force for this thread and those that it starts.
pub(super) fn restrict(grant: &Grant, signals: Signals) -> Result<(), String> {
    let install = |program: BpfProgram| apply_filter(&program).map_err(|error| error.to_string());
    let compile = || -> Result<[BpfProgram; 3], BackendError> {
        let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
        Ok([program(refusals(grant, signals)?, libc::EPERM)?, program(unknown, libc::ENOSYS)?, newer_calls()])
    };
    let programs = compile().map_err(|error| error.to_string());
    programs
        .and_then(|programs| programs.into_iter().try_for_each(install))
        .map_err(|error| format!("system calls: network, other programs, signals (seccomp fails: {error})"))
}

fn program(refusals: Refusals, errno: i32) -> Result<BpfProgram, BackendError> {
    let errno = SeccompAction::Errno(errno.unsigned_abs());
    let target = std::env::consts::ARCH.try_into()?;
    // a call of another architecture (32 bit) kills the process: its numbers mean other calls
    SeccompFilter::new(refusals, SeccompAction::Allow, errno, target)?.try_into()
}

/// `ENOSYS` for every number after [`CALL_LAST`]; the compiler of filters compares numbers for equality only.
fn newer_calls() -> BpfProgram {
    let step = |code: u32, jt, jf, k| sock_filter { code: code as u16, jt, jf, k };
    vec![
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 0, 1, CALL_LAST),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

fn refusals(grant: &Grant, signals: Signals) -> Result<Refusals, BackendError> {
    let net = if grant.net { &[] } else { NET };
    let exec = if grant.exec { &[] } else { EXEC };
    let whole = [ALWAYS, ALWAYS_HERE, net, exec].concat();
    let mut refusals: Refusals = whole.into_iter().map(|call| (call, Vec::new())).collect();
    sockets(grant, &mut refusals)?;
    processes(grant, signals, &mut refusals)?;
    attributes(grant, &mut refusals)?;
    for (call, requests) in [(libc::SYS_ioctl, IOCTLS), (libc::SYS_fcntl, FCNTLS)] {
        let rules = requests.iter().map(|it| when(&[(1, SeccompCmpOp::Eq, u64::from(*it))]));
        refusals.insert(call, rules.collect::<Result<_, _>>()?);
    }
    Ok(refusals)
}

/// Sockets of IP and the kernel's table of routes with `net`, none without; never those of local services.
fn sockets(grant: &Grant, refusals: &mut Refusals) -> Result<(), BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let [unix, inet, inet6, netlink] =
        [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK].map(value);
    if grant.net {
        let other = when(&[(0, Ne, inet), (0, Ne, inet6), (0, Ne, netlink)])?;
        let other_netlink = when(&[(0, Eq, netlink), (2, Ne, value(libc::NETLINK_ROUTE))])?;
        refusals.insert(libc::SYS_socket, vec![other, other_netlink]);
    }
    // a pair of datagram sockets could be sent on to any local address; 2 is SOCK_DGRAM, 3 is taken for it
    let mut pairs = vec![when(&[(0, Ne, unix)])?];
    for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW] {
        pairs.push(when(&[(1, MaskedEq(SOCK_TYPE_MASK), value(kind))])?);
    }
    refusals.insert(libc::SYS_socketpair, pairs);
    Ok(())
}

/// New processes, and what could be done to others: signals, limits, priorities.
fn processes(grant: &Grant, signals: Signals, refusals: &mut Refusals) -> Result<(), BackendError> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};
    let own = u64::from(std::process::id());
    let mut clones = Vec::new();
    for flag in NAMESPACES {
        clones.push(when(&[(0, MaskedEq(value(*flag)), value(*flag))])?);
    }
    if !grant.exec {
        clones.push(when(&[(0, MaskedEq(value(libc::CLONE_THREAD)), 0)])?);
        // A worker without children has nobody to signal but itself. With children Landlock draws the line, which
        // knows who belongs to the sandbox; a number does not tell.
        for call in [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo]
        {
            refusals.insert(call, vec![when(&[(0, Ne, own)])?]);
        }
        if !signals.are_scoped {
            refusals.insert(libc::SYS_tkill, Vec::new());
        }
        refusals.insert(libc::SYS_pidfd_send_signal, Vec::new());
    }
    refusals.insert(libc::SYS_clone, clones);
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setaffinity,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        refusals.insert(call, vec![when(&[(0, Ne, 0), (0, Ne, own)])?]);
    }
    for (call, process) in
        [(libc::SYS_setpriority, value(libc::PRIO_PROCESS as i32)), (libc::SYS_ioprio_set, 1)]
    {
        let of_other = when(&[(0, Eq, process), (1, Ne, 0), (1, Ne, own)])?;
        refusals.insert(call, vec![when(&[(0, Ne, process)])?, of_other]);
    }
    Ok(())
}

/// Mode and times of a file: through a descriptor, which Landlock let the plugin open, and only if it may write at all.
fn attributes(grant: &Grant, refusals: &mut Refusals) -> Result<(), BackendError> {
    let writes = !grant.fs.write.is_empty();
    if !writes {
        refusals.insert(libc::SYS_fchmod, Vec::new());
    }
    let by_path = when_pointer(1)?;
    refusals.insert(libc::SYS_utimensat, if writes { vec![by_path] } else { Vec::new() });
    Ok(())
}

/// All of `conditions` on the low half of an argument: its number, how it is compared, with what.
fn when(conditions: &[(u8, SeccompCmpOp, u64)]) -> Result<SeccompRule, BackendError> {
    let check = |(argument, op, value): &(u8, SeccompCmpOp, u64)| {
        SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, op.clone(), *value)
    };
    SeccompRule::new(conditions.iter().map(check).collect::<Result<_, _>>()?)
}

fn when_pointer(argument: u8) -> Result<SeccompRule, BackendError> {
    let is_there = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    SeccompRule::new(vec![is_there])
}

fn value(constant: i32) -> u64 {
    u64::from(constant.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program answers to the call `number`.
    fn answer(program: &[sock_filter], number: u32) -> u32 {
        let mut at = 0;
        loop {
            let step = program[at].clone();
            at += 1;
            match u32::from(step.code) {
                // the number of the call is the first word of what a filter sees
                load if load == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => assert_eq!(step.k, 0),
                jump if jump == libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K => {
                    at += usize::from(if number > step.k { step.jt } else { step.jf });
                }
                end if end == libc::BPF_RET | libc::BPF_K => return step.k,
                other => panic!("{other:#x} is not expected"),
            }
        }
    }

    #[test]
    fn calls_of_newer_kernels_and_of_the_second_table_are_unknown() {
        let program = newer_calls();
        let unknown = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
        for number in [0, 59, 462, 469] {
            assert_eq!(answer(&program, number), libc::SECCOMP_RET_ALLOW, "{number}");
        }
        for number in [470, 512, 547, 0x4000_0000, 0x4000_0000 + 59, u32::MAX] {
            assert_eq!(answer(&program, number), unknown, "{number}");
        }
    }
}
