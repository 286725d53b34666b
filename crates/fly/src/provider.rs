//! What flows ask of their provider, done with the client: `flows::ports` on Fly.io.
//!
//! Each call may be made again at any time by a worker that does not know what became of the last one. It finds what is there, by its
//! planned name, and leaves exactly one of everything. None takes longer than about 20 seconds; what is not done by then is *not yet* done.

mod apps;
mod machine_config;
mod machines;
mod setback;
mod volumes;

use std::time::Duration;

use crate::client::Client;

/// How long one call of a port may take. A worker lets waits on the provider last 20 s at most.
const LONGEST_CALL: Duration = Duration::from_secs(18);
/// How long one call waits at Fly.io's side for a machine. It leaves room to look at the machine afterwards.
const LONGEST_WAIT: Duration = Duration::from_secs(14);
/// What a look takes at most that is made after a call's time may have been used up.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// After an answer that may or may not mean success: Fly.io's lists lag, and a look that comes too early sees nothing.
const LISTS_LAG: Duration = Duration::from_secs(2);

/// Fly.io as the flows see it.
#[derive(Debug, Clone)]
pub struct Provider {
    client: Client,
    organisation: String,
}

impl Provider {
    /// The provider, in the organisation of this slug.
    #[must_use]
    pub fn new(client: Client, organisation: impl Into<String>) -> Self {
        Self { client, organisation: organisation.into() }
    }

    /// The client for one call of a port.
    fn client(&self) -> Client {
        self.client.within(LONGEST_CALL)
    }
}
