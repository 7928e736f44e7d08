//! `jackfield serve` and `jackfield token`

use clap::{Args, Subcommand};
use jackfield_server::{Namespace, Scope};

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on beside the socket, such as 127.0.0.1:7070; a port of 0 is any that is free; may be repeated. Others
    /// than this machine are served only with a token and TLS [default: those of the configuration, else none]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it; it is shown this once. From the first one on, everybody who comes by TCP needs one
    Create {
        /// Its name, for people and the audit log
        name: String,
        /// What it may do: read; run is start runs and have a say in them, too; admin is everything
        #[arg(long, value_name = "read|run|admin")]
        scope: Scope,
        /// Where: what is in one namespace is not seen in others
        #[arg(long, value_name = "NAME", default_value = "default")]
        namespace: Namespace,
        /// For how long, such as 30d [default: until it is revoked]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// List tokens, without what is secret of them
    List,
    /// Let a token count no more, from now on
    Revoke {
        /// Its name
        name: String,
    },
}
