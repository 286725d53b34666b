//! What supervisors answer to the control plane.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use access::{Signer, SigningKey};
use control::Supervisors;
use domain::InstanceId;
use durable::Setback;
use durable::testing::ManualClock;
use flows::ports::Gateways as _;

use super::machine::{Machine, Said, assert_short, spell_out};

/// The control plane, and the machine of its one instance.
struct Plane {
    supervisors: Supervisors,
    instance: InstanceId,
    machine: Machine,
}

static PLANE: LazyLock<Plane> = LazyLock::new(|| {
    // The provider of cryptography can be installed once per process; where another target has done it, that one serves.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let signer = Arc::new(Signer::new(SigningKey::generate().unwrap()));
    let supervisors = Supervisors::new(http, signer, Arc::new(ManualClock::default()));
    Plane { supervisors, instance: InstanceId::generate(), machine: Machine::boot() }
});

/// `ready` or `restart` on a line of its own, and an answer of HTTP as it is sent. A gateway is ready by status and report, a restart is
/// ordered by a success, and a run is given up by a refusal that will stay one; when to ask again is never the machine's to say, and what
/// is said of it is a short sentence.
pub fn supervisor_answer(input: &[u8]) -> bool {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else { return false };
    let is_order = match &input[..end] {
        b"ready" => false,
        b"restart" => true,
        _ => return false,
    };
    let answer = spell_out(&input[end + 1..]);
    let Plane { supervisors, instance, machine } = &*PLANE;
    let outcome = machine.says(&answer, async {
        if is_order {
            supervisors.restart_process(instance, &machine.origin, "org_1.op_1").await
        } else {
            supervisors.await_ready(instance, &machine.origin).await
        }
    });
    let said = || Said::by(&answer).unwrap_or_else(|| panic!("it was taken for an answer: {}", input.escape_ascii()));
    let why = match outcome {
        Ok(()) => {
            let said = said();
            let fits = if is_order { (200..300).contains(&said.status) } else { said.is_ready() };
            assert!(fits, "it was taken for done: {}", input.escape_ascii());
            return true;
        }
        Err(Setback::Fatal { why }) => {
            let said = said();
            let fits = if is_order { [400, 401, 403].contains(&said.status) } else { said.phase.as_deref() == Some("refused") };
            assert!(fits, "it was given up for {}", input.escape_ascii());
            why
        }
        Err(Setback::NotYet { look_again_in, why }) => {
            assert!(!is_order && look_again_in == Duration::from_secs(1), "{look_again_in:?} for {}", input.escape_ascii());
            why
        }
        Err(Setback::Retry { after, why }) => {
            assert!(is_order && after.is_none(), "{after:?} for {}", input.escape_ascii());
            why
        }
    };
    assert_short(&why);
    false
}
