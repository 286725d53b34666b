use std::io;
use std::net::SocketAddr;

/// The supervisor could not be started. Whatever goes wrong later is a state that `/health` shows, not an end.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A variable of the environment is missing or has no meaning. The text never repeats a value that may be secret.
    #[error("the variable {name} {problem}")]
    Setting {
        /// The variable.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The address to listen on is taken or not this machine's.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Signals or the asynchronous runtime could not be set up.
    #[error("cannot set up the process")]
    Process(#[source] io::Error),
}
