//! The sockets: who may come in, what is answered here, and what is passed on to the gateway.

mod answer;
mod caller;
mod control;
mod counters;
mod deadline;
mod enter;
mod forward;
mod headers;
mod health;
mod listen;
mod metrics;
mod page;
mod resources;
mod route;
mod session;

use std::sync::{Arc, Mutex};

use access::{Seen, Verifier};
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub(crate) use counters::Counters;
pub(crate) use listen::{Listener, serve};
pub(crate) use metrics::answer as metrics;
pub(crate) use route::answer;

use crate::Settings;
use crate::keeper::{Children, Configs};
use crate::status::Board;
use crate::tail::Tail;
use session::Sessions;

/// As many one-time tokens as may be used within a minute.
const TOKENS_A_MINUTE: usize = 4096;
/// As many callers as may wait for the gateway to become ready at a time; further ones are answered at once.
const WAITING_CALLERS: usize = 64;

/// What every request may need.
pub(crate) struct Front {
    pub(crate) settings: Arc<Settings>,
    pub(crate) board: Arc<Board>,
    pub(crate) children: Arc<Children>,
    pub(crate) configs: Arc<Configs>,
    pub(crate) tail: Arc<Tail>,
    pub(crate) stop: CancellationToken,
    pub(crate) counters: Counters,
    pub(crate) started: Timestamp,
    access: Verifier,
    control: Verifier,
    sessions: Sessions,
    seen: Mutex<Seen>,
    requests: Mutex<control::Requests>,
    waiting: Semaphore,
}

impl Front {
    pub(crate) fn new(
        settings: Arc<Settings>,
        board: Arc<Board>,
        children: Arc<Children>,
        configs: Arc<Configs>,
        tail: Arc<Tail>,
        stop: CancellationToken,
    ) -> Self {
        let now = Timestamp::now();
        Self {
            access: Verifier::new(settings.access_keys.clone(), &settings.instance),
            control: Verifier::new(settings.control_keys.clone(), &settings.instance),
            sessions: Sessions::new(&settings.session_key, &settings.instance),
            seen: Mutex::new(Seen::new(TOKENS_A_MINUTE, now)),
            requests: Mutex::default(),
            waiting: Semaphore::new(WAITING_CALLERS),
            counters: Counters::default(),
            started: now,
            settings,
            board,
            children,
            configs,
            tail,
            stop,
        }
    }
}
