//! AWS Lambda on one machine: starts the `bootstrap` programs that are deployed, feeds them events, and takes their answers.
//!
//! A [`Function`] has up to so many execution environments, each a process of its own with nothing in its environment but what Lambda and
//! the function's settings put there, and each with a Runtime API of its own on loopback. An environment serves one event at a time, is
//! frozen between two events, and is killed when it runs out of time. There is no other shutdown: Lambda sends a SIGTERM only to
//! functions that have an extension. [`http_api`] puts an HTTP API of Amazon API Gateway in front of a function.
//!
//! Sources: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
//!
//! Known to differ from Lambda: a machine's whole CPU and memory are there for each environment; the file system is this machine's; an
//! invocation above the concurrency waits instead of being throttled; an answer is passed on when the function asks for its next event,
//! not a moment earlier.

mod environment;
mod function;
mod gateway;
mod runtime_api;
mod sandbox;
mod start;

pub use function::{Function, Settings};
pub use gateway::http_api;
pub use runtime_api::Reported;
pub use sandbox::{Initialisation, InvokeError};
pub use start::{Invocation, Start, measure_invocations, measure_start};
