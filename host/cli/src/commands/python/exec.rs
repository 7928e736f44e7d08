//! `jackfield python exec`: one code, or, on standard input, one statement after the other in one session.

use super::caller::{Called, Caller};
use super::statements::Statement;
use crate::args::ExecArgs;
use crate::exit::Exit;
use crate::input::length_of_time;
use crate::printer::Printer;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read};

pub(super) fn run(args: &ExecArgs, caller: &Caller, printer: &Printer) -> Result<Exit> {
    let limit = args.timeout.as_deref().map(length_of_time).transpose().context("--timeout")?;
    let limit_ms = limit.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
    if args.code != "-" {
        return once(&args.code, args, limit_ms, caller, printer);
    }
    if args.interactive || std::io::stdin().is_terminal() {
        return statements(args, limit_ms, caller, printer);
    }
    let mut code = String::new();
    std::io::stdin().read_to_string(&mut code).context("cannot read stdin")?;
    once(&code, args, limit_ms, caller, printer)
}

fn once(
    code: &str,
    args: &ExecArgs,
    limit_ms: Option<u64>,
    caller: &Caller,
    printer: &Printer,
) -> Result<Exit> {
    let mut parameters = json!({ "code": code, "timeout_ms": limit_ms });
    if let Some(session) = &args.session {
        parameters["session"] = json!(session);
    }
    if let Some(environment) = &args.env {
        parameters["environment"] = json!(environment);
    }
    finish(caller.call("exec", parameters)?, printer)
}

/// Prints what code printed and returned; a code that failed is a failure.
fn finish(called: Called, printer: &Printer) -> Result<Exit> {
    let done = match called {
        Called::Failed(exit) => return Ok(exit),
        Called::Value(done) => done,
    };
    if printer.is_json() {
        printer.result_json(&done)?;
    } else {
        print(&done, printer)?;
    }
    Ok(if done["success"] == true { Exit::Success } else { Exit::Failed })
}

fn print(done: &Value, printer: &Printer) -> Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(why) = done["state_lost"].as_str() {
        printer.note(&format!("the variables of the session are gone: {why}"));
    }
    printer.result(&text(&done["stdout"]))?;
    printer.to_stderr(text(&done["stderr"]).as_bytes());
    if !done["error"].is_null() {
        let error = &done["error"];
        let traceback = text(&error["traceback"]);
        if traceback.is_empty() || done["outcome"] == "interrupted" {
            printer.note(&format!("{}: {}", text(&error["type"]), text(&error["message"])));
        } else {
            printer.to_stderr(traceback.as_bytes());
        }
    }
    let is_shown = done["not_json"].as_array().is_some_and(|it| it.iter().any(|name| name == "result"));
    match &done["result"] {
        Value::Null => {}
        described if is_shown => printer.result(&format!("{}\n", text(&described["repr"])))?,
        value => printer.result(&format!("{value}\n"))?,
    }
    for kind in ["figures", "files"] {
        for file in done[kind].as_array().into_iter().flatten() {
            printer.note(&format!("{}: {}", kind.trim_end_matches('s'), text(&file["path"])));
        }
    }
    Ok(())
}

/// One session for all that is typed; closed at the end unless it was open before.
fn statements(args: &ExecArgs, limit_ms: Option<u64>, caller: &Caller, printer: &Printer) -> Result<Exit> {
    let is_own = args.session.is_none();
    let session = match &args.session {
        Some(session) => session.clone(),
        None => {
            let name = format!("terminal-{}", std::process::id());
            let mut parameters = json!({ "session": name });
            if let Some(environment) = &args.env {
                parameters["environment"] = json!(environment);
            }
            match caller.call("session_open", parameters)? {
                Called::Failed(exit) => return Ok(exit),
                Called::Value(opened) => {
                    let facts = ["version", "environment"].map(|key| super::word(&opened[key]));
                    printer.note(&format!("Python {} in environment {}; Ctrl-D ends", facts[0], facts[1]));
                }
            }
            name
        }
    };
    let in_session = ExecArgs {
        code: String::new(),
        interactive: true,
        env: None,
        session: Some(session.clone()),
        timeout: None,
    };
    let exit = read_statements(&in_session, limit_ms, caller, printer);
    if is_own {
        caller.call("session_close", json!({ "session": session, "force": true }))?;
    }
    exit
}

fn read_statements(
    args: &ExecArgs,
    limit_ms: Option<u64>,
    caller: &Caller,
    printer: &Printer,
) -> Result<Exit> {
    let mut statement = Statement::default();
    let is_prompted = std::io::stdin().is_terminal() && !printer.is_quiet();
    let mut lines = std::io::stdin().lock().lines();
    let mut last = Exit::Success;
    loop {
        if is_prompted {
            printer.to_stderr(if statement.is_begun() { b"... " } else { b">>> " });
        }
        let line = lines.next().transpose().context("cannot read stdin")?;
        let code = match &line {
            Some(line) => statement.add(line),
            None => statement.rest(),
        };
        if let Some(code) = code {
            last = once(&code, args, limit_ms, caller, printer)?;
            if last == Exit::Interrupted {
                return Ok(last);
            }
        }
        if line.is_none() {
            return Ok(last);
        }
    }
}
