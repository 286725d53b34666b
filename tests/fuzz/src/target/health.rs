//! What instances answer to health checks.

use std::sync::LazyLock;
use std::time::Duration;

use health_checker::{Ask as _, Probe, Seen};

use super::machine::{Machine, Said, assert_short, spell_out};

/// Longer than the machine is waited for: a check that needs its time-out is one that hangs.
const LONG: Duration = Duration::from_secs(60);

static CHECK: LazyLock<(Probe, Machine)> = LazyLock::new(|| (Probe::new().unwrap().within(LONG), Machine::boot()));

/// An answer of HTTP as it is sent. An instance is well by status and report; of any other there is a short sentence.
pub fn health_answer(input: &[u8]) -> bool {
    let answer = spell_out(input);
    let (probe, machine) = &*CHECK;
    match machine.says(&answer, probe.ask(&machine.origin)) {
        Seen::Well => {
            assert!(Said::by(&answer).is_some_and(|said| said.is_ready()), "it was taken for well: {}", input.escape_ascii());
            true
        }
        Seen::Missed(why) => {
            assert_short(&why);
            false
        }
    }
}
