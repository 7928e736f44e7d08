//! What `serve` would listen with, and the server that `--server` names.

use super::findings::Findings;
use crate::access::{Health, health};
use crate::settings::Settings;
use jackfield::{JOURNAL_FILE, Journal};
use jackfield_server::{Tokens, certificate_ends, check_tls};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, SystemTime};

const AREA: &str = "server";

/// A certificate that ends so soon is a problem.
const RENEW_WITHIN: Duration = Duration::from_secs(7 * 24 * 3600);
/// Clocks may differ by so much.
const SKEW_MAX: Duration = Duration::from_secs(60);

pub(super) fn listening(settings: &Settings, findings: &mut Findings) {
    let server = settings.server();
    if let (Some(cert), Some(key)) = (&server.tls_cert, &server.tls_key) {
        tls(cert, key, findings);
    } else if server.tls_cert.is_some() || server.tls_key.is_some() {
        findings.problem(
            AREA,
            "`tls_cert` and `tls_key` of [server] go together; one is missing",
            "Name both, or none.",
        );
    }
    let dir = settings.data_place().ok();
    let owner = dir.as_ref().and_then(|dir| Journal::owner(&dir.join(JOURNAL_FILE)).ok().flatten());
    if owner.is_none() {
        server.listen.iter().for_each(|address| bindable(address, findings));
    }
    if let Some(dir) = dir {
        tokens(&dir, findings);
    }
}

/// Nobody serves: the address ought to be free.
fn bindable(address: &str, findings: &mut Findings) {
    let tried = address.to_socket_addrs().and_then(|found| {
        found.map(TcpListener::bind).find(Result::is_err).unwrap_or(Ok(TcpListener::bind("127.0.0.1:0")?))
    });
    match tried {
        Ok(_) => findings.ok(AREA, format!("{address} is free")),
        Err(error) => findings.problem(
            AREA,
            format!("`listen` of [server] names {address}, which cannot be used: {error}"),
            "Name another address, or end what has it.",
        ),
    }
}

fn tls(cert: &Path, key: &Path, findings: &mut Findings) {
    if let Err(error) = check_tls(cert, key) {
        return findings.problem(
            AREA,
            error.to_string(),
            "Put the certificate and its key in their places as PEM.",
        );
    }
    let now = SystemTime::now();
    let shown = cert.display();
    match certificate_ends(cert) {
        Ok((from, _)) if from > now => findings.problem(
            AREA,
            format!("the certificate {shown} does not count yet"),
            "Wait, set the clock, or take another.",
        ),
        Ok((_, until)) => match until.duration_since(now) {
            Err(_) => findings.problem(
                AREA,
                format!("the certificate {shown} has expired"),
                "Renew it; the server takes the new one by itself.",
            ),
            Ok(left) => {
                let message = format!("the certificate {shown} ends in {} days", left.as_secs() / 86_400);
                if left < RENEW_WITHIN {
                    findings.problem(AREA, message, "Renew it; the server takes the new one by itself.");
                } else {
                    findings.ok(AREA, message);
                }
            }
        },
        Err(why) => {
            findings.problem(AREA, format!("the certificate {shown} cannot be understood: {why}"), "")
        }
    }
}

fn tokens(dir: &Path, findings: &mut Findings) {
    match Tokens::of(dir).list() {
        Err(error) => {
            findings.problem(AREA, error.to_string(), "Nobody is let in over TCP until it can be read.")
        }
        Ok(all) if all.is_empty() => {}
        Ok(all) => {
            let expired: Vec<_> = all.iter().filter(|it| it.is_expired).map(|it| it.name.as_str()).collect();
            let message = format!("{} tokens", all.len());
            match expired.len() {
                0 => findings.ok(AREA, message),
                count if count == all.len() => findings.problem(
                    AREA,
                    format!("all tokens have expired: {}", expired.join(", ")),
                    "Make a new one with `jackfield token create`.",
                ),
                _ => findings.note(
                    AREA,
                    format!("{message}; expired: {}", expired.join(", ")),
                    "`jackfield token revoke` removes them.",
                ),
            }
        }
    }
}

/// The server that was named, if one was.
pub(super) fn remote(settings: &Settings, findings: &mut Findings) {
    let Some(server) = settings.remote() else { return };
    let url = server.url();
    let Health { ready, asked, date } = match health(server) {
        Ok(health) => health,
        Err(error) => {
            let remedy = "Start it, or mend --server, --ca or the way to it.";
            return findings.problem(AREA, format!("{error:#}"), remedy);
        }
    };
    match ready {
        200 => findings.ok(AREA, format!("{url} is ready")),
        status => findings.problem(
            AREA,
            format!("{url} answers {status} to /readyz"),
            "See its log: its journal may take nothing, or it is no server of Jackfield.",
        ),
    }
    match asked {
        200 => findings.ok(AREA, format!("{url} lets this token in")),
        401 => {
            findings.problem(AREA, format!("{url} does not know the token"), "Give a valid one with --token.")
        }
        403 => findings.problem(
            AREA,
            format!("{url} grants the token nothing"),
            "Make one with the scope `read`.",
        ),
        status => findings.problem(AREA, format!("{url} answers {status} to /api/v1/stats"), "See its log."),
    }
    let skew = date.map(|date| {
        let now = SystemTime::now();
        now.duration_since(date).unwrap_or_else(|earlier| earlier.duration())
    });
    if let Some(skew) = skew.filter(|skew| *skew > SKEW_MAX) {
        findings.problem(
            "clock",
            format!("the clock of {url} and that of this machine differ by {} s", skew.as_secs()),
            "Set the one that is wrong.",
        );
    }
}
