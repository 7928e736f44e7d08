//! The HTTP API of a Jackfield host.
//!
//! One router answers whoever asks. Every process that owns a journal listens on a [`Socket`] in its directory for data, so
//! that commands reach its runs; who may open the socket may do everything, so only its owner may. A [`Server`] listens on
//! TCP as well: there everybody passes the gate, which wants tokens.

mod answer;
mod audit;
mod events;
mod formats;
mod gate;
mod kept;
mod limits;
mod lines;
mod listen;
mod metrics;
mod namespace;
mod openapi;
mod page;
mod plugins;
mod private;
mod problem;
mod routes;
mod runs;
mod schedules;
mod socket;
mod spaces;
mod stream;
mod tokens;
pub mod wire;
mod workflows;

pub use audit::Audit;
pub use listen::{Server, ServerError, ServerSetup, TlsError, certificate_ends, check_tls};
pub use namespace::Namespace;
pub use problem::{InputProblem, Problem, ProblemKind};
pub use runs::start_in;
pub use schedules::add_in as add_schedule_in;
pub use socket::{Socket, SocketAddress};
pub use spaces::OpenHost;
pub use tokens::{NewToken, Scope, TokenError, TokenInfo, Tokens};
pub use workflows::{find as find_workflow, register_in};

pub use routes::router;
