//! Other processes: none are started without `exec`, none outside are touched, and calls that would lead around all
//! this are refused whatever is granted.

use crate::actions::Action;
use crate::run;
use std::process::{Child, Command};

const EXEC: &str = "grant = { exec = true }";
const EVERYTHING: &str = "grant = { exec = true, net = true, fs = { read = ['/'], write = ['/tmp'] } }";

/// A process outside that a worker might hurt; ends with the test.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Command::new("/bin/sleep").arg("600").spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id().cast_signed()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn spawn() -> Action {
    Action::Spawn("/bin/true".to_owned(), Vec::new())
}

#[test]
fn a_worker_starts_programs_only_with_exec() {
    assert_eq!(run("", &[spawn()]).only(), Err(libc::EPERM));
    assert_eq!(run(EXEC, &[spawn()]).only().unwrap(), "exit status: 0: ");
    // not even in its own place, whatever path stands there
    for call in [libc::SYS_execve, libc::SYS_execveat] {
        let replace = [Action::Call(call, [-1; 5])];
        assert_eq!(run("", &replace).only(), Err(libc::EPERM));
        assert_ne!(run(EXEC, &replace).only(), Err(libc::EPERM));
    }
}

#[test]
fn a_worker_forks_only_with_exec() {
    assert_eq!(run("", &[Action::Fork]).only(), Err(libc::EPERM));
    assert_eq!(run(EXEC, &[Action::Fork]).only().unwrap(), "forked");
}

#[test]
fn programs_that_a_worker_starts_are_restricted_like_it() {
    let cat = |path: &str| [Action::Spawn("/bin/cat".to_owned(), vec![path.to_owned()])];
    let refused = run(EXEC, &cat("/etc/passwd")).only().unwrap();
    assert!(refused.starts_with("exit status: 1"), "{refused}");
    let granted = "grant = { exec = true, fs = { read = ['/etc/passwd'] } }";
    let allowed = run(granted, &cat("/etc/passwd")).only().unwrap();
    assert!(allowed.starts_with("exit status: 0: root:"), "{allowed}");
}

#[test]
fn what_a_worker_has_written_is_not_run() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    std::fs::copy("/bin/true", &program).unwrap();
    let spawn = [Action::Spawn(program.display().to_string(), Vec::new())];
    let granted = |key| format!("grant = {{ exec = true, fs = {{ {key} = ['{}'] }} }}", dir.path().display());
    assert_eq!(run(&granted("write"), &spawn).only(), Err(libc::EACCES));
    assert_eq!(run(&granted("read"), &spawn).only().unwrap(), "exit status: 0: ");
}

#[test]
fn threads_are_made_with_and_without_exec() {
    for grant in ["", EXEC] {
        assert_eq!(run(grant, &[Action::Threads]).only().unwrap(), "28");
    }
}

#[test]
fn signals_do_not_leave_the_sandbox() {
    let mut victim = Victim::new();
    let pid = victim.pid();
    for grant in ["", EXEC, EVERYTHING] {
        for action in [
            Action::Kill(pid),
            Action::Call(libc::SYS_tkill, [pid.into(), libc::SIGKILL.into(), 0, 0, 0]),
            Action::Call(libc::SYS_tgkill, [pid.into(), pid.into(), libc::SIGKILL.into(), 0, 0]),
            Action::SignalOnInput(pid),
        ] {
            assert_eq!(
                run(grant, std::slice::from_ref(&action)).only(),
                Err(libc::EPERM),
                "{grant} {action:?}"
            );
        }
    }
    let parent = i64::from(std::process::id());
    for to in [-1, -parent, 0] {
        // number 0: nothing is sent, should it be allowed
        let signal = Action::Call(libc::SYS_kill, [to, 0, 0, 0, 0]);
        assert_eq!(run("", &[signal]).only(), Err(libc::EPERM), "{to}");
    }
    assert!(victim.0.try_wait().unwrap().is_none(), "the process outside is alive");
    assert_eq!(run("sandbox = 'off'", &[Action::Kill(pid)]).only().unwrap(), "sent");
    victim.0.wait().unwrap();
}

#[test]
fn signals_stay_possible_within_the_sandbox() {
    assert_eq!(run("", &[Action::SignalSelf]).only().unwrap(), "sent");
    let killed = run(EXEC, &[Action::SpawnAndKill]).only().unwrap();
    assert!(killed.contains("signal: 9"), "{killed}");
}

#[test]
fn limits_and_priorities_of_other_processes_stay() {
    let victim = Victim::new();
    let pid = i64::from(victim.pid());
    for grant in ["", EVERYTHING] {
        let actions = [
            Action::LimitOther(victim.pid()),
            Action::Call(libc::SYS_setpriority, [0, pid, 5, 0, 0]),
            Action::Call(libc::SYS_setpriority, [2, 0, 5, 0, 0]),
            Action::Call(libc::SYS_ioprio_set, [1, pid, 0, 0, 0]),
            Action::Call(libc::SYS_sched_setaffinity, [pid, 0, 0, 0, 0]),
            Action::Call(libc::SYS_sched_setscheduler, [pid, 0, 0, 0, 0]),
        ];
        for action in actions {
            assert_eq!(run(grant, std::slice::from_ref(&action)).only(), Err(libc::EPERM), "{action:?}");
        }
    }
    // a number that is not the worker's own may be that of anybody, so its own threads are refused too
    for (call, arguments, place) in [
        (libc::SYS_setpriority, [0, 0, 5, 0, 0], 1),
        (libc::SYS_ioprio_set, [1, 0, 0, 0, 0], 1),
        (libc::SYS_sched_setaffinity, [0; 5], 0),
        (libc::SYS_sched_setscheduler, [0; 5], 0),
        (libc::SYS_sched_setparam, [0; 5], 0),
        (libc::SYS_sched_setattr, [0; 5], 0),
    ] {
        let action = [Action::CallOnThread(call, arguments, place)];
        assert_eq!(run("", &action).only(), Err(libc::EPERM), "{call}");
        assert_ne!(run("sandbox = 'off'", &action).only(), Err(libc::EPERM), "{call}");
    }
    // kinds of targets: of no kind, where a process group or a user could stand
    for call in [libc::SYS_setpriority, libc::SYS_ioprio_set] {
        assert_eq!(run("", &[Action::Call(call, [9, 0, 5, 0, 0])]).only(), Err(libc::EPERM), "{call}");
    }
    assert!(run("sandbox = 'off'", &[Action::LimitOther(victim.pid())]).only().is_ok());
    assert!(run("", &[Action::Call(libc::SYS_setpriority, [0, 0, 5, 0, 0])]).only().is_ok());
}

#[test]
fn ways_around_the_sandbox_are_closed_whatever_is_granted() {
    let own_only = [
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_open_by_handle_at,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_reboot,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_shmget,
        libc::SYS_shmat,
        libc::SYS_msgget,
        libc::SYS_semget,
        libc::SYS_mq_open,
        libc::SYS_setxattr,
        libc::SYS_fchownat,
        452, // fchmodat2
        463, // setxattrat
    ];
    // fetching the address of a file in words that are no address: no call gets as far as doing anything
    let actions = own_only.map(|call| Action::Call(call, [-1; 5]));
    for grant in ["", EVERYTHING] {
        let answer = run(grant, &actions);
        answer.applied.expect("the sandbox is applied");
        for (action, result) in actions.iter().zip(answer.results) {
            assert_eq!(result.map_err(|(errno, _)| errno), Err(Some(libc::EPERM)), "{grant} {action:?}");
        }
    }
}

#[test]
fn namespaces_are_refused_and_clone3_does_not_exist() {
    for grant in ["", EVERYTHING] {
        let unknown = run(grant, &[Action::Call(libc::SYS_clone3, [0; 5])]);
        assert_eq!(unknown.only(), Err(libc::ENOSYS));
        let user = i64::from(libc::CLONE_NEWUSER);
        assert_eq!(run(grant, &[Action::Call(libc::SYS_clone, [user, 0, 0, 0, 0])]).only(), Err(libc::EPERM));
    }
    let known = run("sandbox = 'off'", &[Action::Call(libc::SYS_clone3, [0; 5])]);
    assert_eq!(known.only(), Err(libc::EINVAL));
}

#[test]
fn a_terminal_is_not_written_to_as_if_somebody_typed() {
    for request in [0x5412, 0x541C, 0x1_0000_5412] {
        let action = Action::Call(libc::SYS_ioctl, [0, request, 0, 0, 0]);
        assert_eq!(run(EVERYTHING, &[action]).only(), Err(libc::EPERM), "{request:x}");
    }
}

#[test]
fn privileges_are_given_up_and_do_not_come_back() {
    let kept = 0b1110; // DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
    let own = run("", &[Action::Capabilities]).only().unwrap();
    assert_eq!(u64::from_str_radix(&own, 16).unwrap() & !kept, 0, "{own}");
    let granted = "grant = { exec = true, fs = { read = ['/proc'] } }";
    let status = Action::Spawn("/bin/cat".to_owned(), vec!["/proc/self/status".to_owned()]);
    let status = run(granted, &[status]).only().unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapPrm:", "CapEff:"] {
        assert_eq!(u64::from_str_radix(&field(set), 16).unwrap() & !kept, 0, "{status}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
}
