//! `jackfield token`: who may ask the server of this data directory over TCP.

use crate::args::TokenCommand;
use crate::exit::Exit;
use crate::input::length_of_time;
use crate::printer::Printer;
use crate::settings::Settings;
use anyhow::{Context, Result};
use jackfield_server::{Audit, NewToken, TokenInfo, Tokens};
use serde_json::json;
use std::path::Path;

pub(crate) fn run(command: TokenCommand, settings: &Settings, printer: &Printer) -> Result<Exit> {
    let data_dir = settings.data_place()?;
    let tokens = Tokens::of(&data_dir);
    match command {
        TokenCommand::Create { name, scope, namespace, expires } => {
            let expires_in = expires.as_deref().map(length_of_time).transpose().context("--expires")?;
            let (token, info) = tokens.create(NewToken { name, scope, namespace, expires_in })?;
            note(&data_dir, "token_created", &info, printer);
            if printer.is_json() {
                let TokenInfo { name, scope, namespace, created_at, expires_at, .. } = info;
                printer.result_json(&json!({
                    "token": token, "name": name, "scope": scope, "namespace": namespace,
                    "created_at": created_at, "expires_at": expires_at,
                }))?;
                return Ok(Exit::Success);
            }
            printer.result(&format!("{token}\n"))?;
            printer.note(&format!("{}; it is shown this once", described(&info)));
        }
        TokenCommand::List => {
            let all = tokens.list()?;
            if printer.is_json() {
                printer.result_json(&json!({ "tokens": all }))?;
                return Ok(Exit::Success);
            }
            let width = all.iter().map(|info| info.name.len()).max().unwrap_or(0);
            let line = |info: &TokenInfo| {
                let until = match (&info.expires_at, info.is_expired) {
                    (None, _) => "until it is revoked".to_owned(),
                    (Some(at), false) => format!("until {at}"),
                    (Some(at), true) => format!("expired {at}"),
                };
                let TokenInfo { name, scope, namespace, .. } = info;
                format!("{name:width$}  {:5}  {namespace}  {until}\n", scope.as_str())
            };
            printer.result(&all.iter().map(line).collect::<String>())?;
        }
        TokenCommand::Revoke { name } => {
            let info = tokens.revoke(&name)?;
            note(&data_dir, "token_revoked", &info, printer);
            printer.note(&format!("token {name} counts no more"));
            if tokens.list()?.is_empty() {
                printer.note(
                    "there is no token left: whoever comes by TCP is refused until `jackfield token create` makes one",
                );
            }
        }
    }
    Ok(Exit::Success)
}

fn described(info: &TokenInfo) -> String {
    let until = match &info.expires_at {
        None => "until it is revoked".to_owned(),
        Some(at) => format!("until {at}"),
    };
    format!("token {} of scope {} for namespace {}, {until}", info.name, info.scope, info.namespace)
}

/// What was done stands, also where it cannot be written down.
fn note(data_dir: &Path, event: &str, info: &TokenInfo, printer: &Printer) {
    if let Err(error) = Audit::of(data_dir).token(event, info) {
        printer.warning(&format!("the audit log in {} cannot be written: {error}", data_dir.display()));
    }
}
