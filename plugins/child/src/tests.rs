//! Real processes: what is refused, what is heard of them, and that they and theirs are gone afterwards.

use crate::{Capped, Child, Environment, Inherit, Input, Line, Program, StartError, Tail, Told, read_lines};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

fn start(program: &Program) -> (Child, crate::Streams) {
    Child::start(program, |_| ()).unwrap()
}

fn refusal(program: &Program) -> StartError {
    Child::start(program, |_| ()).err().expect("it is refused")
}

fn printed(program: &Program) -> String {
    let (child, mut streams) = start(program);
    let mut text = String::new();
    streams.output.take().unwrap().read_to_string(&mut text).unwrap();
    assert!(child.wait(PATIENCE).is_some());
    text
}

/// Whether a process runs: one that waits to be reaped does not.
fn is_alive(id: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
    !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z')
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A shell with a child of its own, whose number it prints.
fn with_grandchild(before: &str) -> (Child, String) {
    let script = format!("{before} sleep 600 & echo $!; wait");
    let (child, streams) = start(&Program::shell(script));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(streams.output.unwrap()), &mut line).unwrap();
    let id = line.trim().to_owned();
    assert!(is_alive(&id));
    (child, id)
}

#[test]
fn each_reason_not_to_start_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "text").unwrap();
    let missing = refusal(&Program::new("no-such-program-here")).of("process");
    assert_eq!((missing.kind(), missing.is_retryable()), ("process.not_found", false));
    assert!(missing.message().contains("`no-such-program-here`"), "{missing}");
    let path = refusal(&Program::new("./nothing")).of("process");
    assert!(path.kind() == "process.not_found" && path.message().contains("/nothing`"), "{path}");
    let plain = refusal(&Program::new(&plain)).of("process");
    assert!(plain.kind() == "process.not_executable" && plain.message().contains("chmod"), "{plain}");
    let folder = refusal(&Program::new(dir.path())).of("process");
    assert_eq!(folder.kind(), "process.not_executable");
    let mut program = Program::new("true");
    program.cwd = Some(dir.path().join("none"));
    let nowhere = refusal(&program).of("process");
    assert!(nowhere.kind() == "process.no_directory" && nowhere.message().contains("/none`"), "{nowhere}");
    assert_eq!(refusal(&Program::new("true").arguments(["a\0b"])).of("process").kind(), "validation");
}

#[cfg(unix)]
#[test]
fn a_file_that_the_system_cannot_run_is_named_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    for (contents, words) in [("#!/no/interpreter\n", "interpreter"), ("\u{1}\u{2}", "`#!`")] {
        let path = dir.path().join("script");
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = refusal(&Program::new(&path)).of("process");
        assert!(error.kind() == "process.not_executable" && error.message().contains(words), "{error}");
    }
}

#[test]
fn arguments_reach_the_program_without_a_shell() {
    let arguments = ["%s|", "a b", "$HOME", "*", "; exit 3"];
    assert_eq!(printed(&Program::new("printf").arguments(arguments)), "a b|$HOME|*|; exit 3|");
}

#[test]
fn the_environment_is_what_was_asked_for_and_never_shown() {
    let mut program = Program::new("env");
    program.environment = Environment {
        inherit: Inherit::Only(vec!["PATH".into(), "HOME".into()]),
        remove: vec!["HOME".into()],
        set: vec![("TOKEN".into(), "hidden-value".into())],
    };
    let text = printed(&program);
    let mut names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "TOKEN"]);
    assert!(!format!("{program:?}").contains("hidden-value"));
}

#[test]
fn asked_to_end_a_group_ends_with_its_grandchildren() {
    let (child, grandchild) = with_grandchild("");
    assert_eq!(child.stop(PATIENCE), Told::Terminate);
    assert_eq!(child.exit().unwrap().signal, Some(15));
    wait_until("the grandchild ends", || !is_alive(&grandchild));
}

#[test]
fn a_group_that_does_not_listen_is_killed_after_the_grace() {
    let (child, grandchild) = with_grandchild("trap '' TERM;");
    assert_eq!(child.stop(Duration::from_millis(50)), Told::Kill);
    assert_eq!(child.exit().unwrap().signal, Some(9));
    wait_until("the grandchild ends", || !is_alive(&grandchild));
    assert_eq!(child.stop(PATIENCE), Told::Nothing);
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let (tx, rx) = mpsc::channel();
    let program = Program::shell("sleep 600 & echo $!");
    let (_child, mut streams) = Child::start(&program, move |exit| tx.send(exit).unwrap()).unwrap();
    let mut text = String::new();
    // the grandchild holds the other end of the pipe
    streams.output.take().unwrap().read_to_string(&mut text).unwrap();
    wait_until("the grandchild ends", || !is_alive(text.trim()));
    assert!(rx.recv_timeout(PATIENCE).unwrap().is_success());
}

#[test]
fn dropping_a_child_kills_its_group() {
    let (child, grandchild) = with_grandchild("");
    let id = child.id().to_string();
    drop(child);
    wait_until("both end", || !is_alive(&grandchild) && !is_alive(&id));
}

#[test]
fn a_child_interrupted_may_go_on() {
    let script = "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.01; done";
    let (child, streams) = start(&Program::shell(script));
    let mut output = std::io::BufReader::new(streams.output.unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    child.interrupt();
    output.read_to_string(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait(PATIENCE).unwrap().code), ("ready\ncaught\n", Some(7)));
}

#[test]
fn a_conversation_survives_what_the_program_prints() {
    let mut program = Program::new("python3").arguments([
        "-c",
        "import os,sys\n\
         print('noise'); sys.stdout.flush(); os.write(1, b'\\xff\\n')\n\
         while True:\n\
         \x20 head = os.read(0, 4)\n\
         \x20 if not head: break\n\
         \x20 body = os.read(0, int.from_bytes(head, 'big'))\n\
         \x20 os.write(0, head + body.upper())\n",
    ]);
    program.input = Input::Channel;
    let (child, mut streams) = start(&program);
    let (mut sender, mut receiver) = streams.channel.take().unwrap().split();
    for text in ["abc", "x", "longer text"] {
        sender.send(text.as_bytes()).unwrap();
        assert_eq!(receiver.receive().unwrap().unwrap(), text.to_uppercase().as_bytes());
    }
    drop(sender);
    assert!(receiver.receive().unwrap().is_none());
    assert!(child.wait(PATIENCE).unwrap().is_success());
}

#[test]
fn input_is_fed_while_output_is_read() {
    let mut program = Program::new("cat");
    program.input = Input::Piped;
    let (_child, mut streams) = start(&program);
    let mut input = streams.input.take().unwrap();
    let feeding = std::thread::spawn(move || input.write_all(&vec![b'x'; 1 << 20]));
    let mut bytes = Vec::new();
    streams.output.take().unwrap().read_to_end(&mut bytes).unwrap();
    feeding.join().unwrap().unwrap();
    assert_eq!(bytes.len(), 1 << 20);
}

#[test]
fn lines_are_bounded_and_say_what_was_left_out() {
    let (mut lines, mut raw) = (Vec::new(), 0);
    let bytes = b"one\r\n\ntoo long for it\n\xff\xfe\nend";
    let total = read_lines(&bytes[..], 6, |chunk| raw += chunk.len(), |line| lines.push(line)).unwrap();
    let line = |text: &str, is_lossy, bytes_cut| Line { text: text.into(), is_lossy, bytes_cut };
    let expected = [
        line("one", false, 0),
        line("", false, 0),
        line("too lo", false, 9),
        line("\u{fffd}\u{fffd}", true, 0),
        line("end", false, 0),
    ];
    assert_eq!((lines.as_slice(), total, raw), (&expected[..], bytes.len() as u64, bytes.len()));
}

#[test]
fn a_capped_output_keeps_its_beginning_and_counts_the_rest() {
    let mut capped = Capped::new(4);
    capped.add("abc".as_bytes());
    assert_eq!((capped.bytes(), capped.mark()), (&b"abc"[..], None));
    capped.add("ä and more".as_bytes());
    // half of a character is not kept
    assert_eq!((capped.bytes(), capped.total()), (&b"abc"[..], 14));
    assert_eq!(capped.mark().unwrap(), "[output cut: 3 of 14 bytes]");
    let mut tail = Tail::new(2);
    ["a", "b", "c"].iter().for_each(|line| tail.add(line));
    assert_eq!(tail.lines(), ["b", "c"]);
}

#[test]
fn a_relative_program_is_taken_from_its_working_directory() {
    let mut program = Program::new("./true");
    program.cwd = Some(Path::new("/bin").into());
    let (child, _streams) = start(&program);
    assert!(child.wait(PATIENCE).unwrap().is_success());
}
