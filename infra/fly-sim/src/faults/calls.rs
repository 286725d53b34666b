//! What happens to one call.

use std::time::Duration;

use serde_json::{Value, json};

use super::Faults;
use super::dice::Dice;
use super::profile::Adversity;
use crate::Fault;
use crate::api::{is_platform, is_reading};
use crate::capacity::Capacity;

impl Faults {
    /// What happens to a call: the nth of its action, counted from 1 (`crate::ACTIONS` lists the actions).
    #[must_use]
    pub fn strike(&self, number: u64, action: &str) -> Option<Fault> {
        let dice = Dice::cast(self.seed, action, number);
        let mut left = dice.of_10_000(0);
        for (adversity, chance) in self.profile.calls.iter().copied().filter(|(adversity, _)| can_meet(action, *adversity)) {
            match left.checked_sub(chance) {
                Some(rest) => left = rest,
                None => return Some(self.fault(adversity, action, &dice)),
            }
        }
        // A list always lags a little.
        let lag = Duration::from_millis(dice.within(1, self.profile.lag_ms.clone()));
        (action.starts_with("list_") && !lag.is_zero()).then_some(Fault::Lag(lag))
    }

    fn fault(&self, adversity: Adversity, action: &str, dice: &Dice) -> Fault {
        let told = |status: u16, text: &str, retry_after_seconds: Option<u64>| {
            let key = if is_platform(action) { "message" } else { "error" };
            Fault::Answer { status, body: json!({ key: text }), retry_after_seconds }
        };
        match adversity {
            Adversity::Limited => told(429, "rate limit exceeded", Some(dice.within(1, 1..=3))),
            Adversity::LimitedInSilence => told(429, "rate limit exceeded", None),
            Adversity::TimedOut => told(408, "deadline_exceeded: request timed out", None),
            Adversity::Broken => match dice.within(1, 0..=3) {
                0 => told(500, "internal: server error", None),
                // The edge in front of the API speaks HTML.
                1 => bare(502, "<html><head><title>502 Bad Gateway</title></head><body></body></html>"),
                2 => told(503, "unavailable: upstream connect error or disconnect/reset before headers", None),
                _ => bare(504, "upstream request timeout"),
            },
            Adversity::AnswerLost => Fault::AnswerLost,
            Adversity::LateEffect => Fault::LateEffect(self.slowness(dice)),
            Adversity::Slow => Fault::Slow(self.slowness(dice)),
            Adversity::NoRoom => Fault::capacity(dice.one_of(1, wants(action))),
            Adversity::Stale => Fault::Lag(Duration::from_millis(dice.within(1, self.profile.lag_ms.clone()))),
            Adversity::ShortPage => Fault::ShortPage(usize::try_from(dice.within(1, 0..=3)).unwrap_or_default()),
        }
    }

    fn slowness(&self, dice: &Dice) -> Duration {
        Duration::from_millis(dice.within(1, self.profile.slow_ms.clone()))
    }
}

fn bare(status: u16, text: &str) -> Fault {
    Fault::Answer { status, body: Value::String(text.to_owned()), retry_after_seconds: None }
}

/// Whether an adversity can happen to a call.
fn can_meet(action: &str, adversity: Adversity) -> bool {
    match adversity {
        Adversity::LateEffect => !is_reading(action),
        Adversity::NoRoom => !wants(action).is_empty(),
        Adversity::Stale => matches!(action, "get_app" | "get_machine" | "wait_machine" | "get_volume"),
        Adversity::ShortPage => matches!(action, "list_org_machines" | "list_org_volumes"),
        _ => true,
    }
}

/// What can be lacking for a call. A region that is full is the weather's business, because it stays so for a while.
fn wants(action: &str) -> &'static [Capacity] {
    match action {
        "create_machine" => &[Capacity::Memory, Capacity::Cpus, Capacity::Ips, Capacity::Resources, Capacity::HostClosed],
        "start_machine" | "update_machine" => &[Capacity::HostMemory, Capacity::HostCpus, Capacity::HostClosed],
        "create_volume" => &[Capacity::NoCandidate],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad_day(seed: u64) -> Faults {
        Faults::profile("bad-day", seed).unwrap()
    }

    #[test]
    fn the_same_seed_strikes_the_same_calls_and_another_strikes_others() {
        let all =
            |seed| crate::ACTIONS.iter().flat_map(|action| (1..=200).map(|nth| bad_day(seed).strike(nth, action))).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
    }

    #[test]
    fn a_strike_stays_what_it_was_in_earlier_versions() {
        // A seed that found an error must find it again tomorrow.
        let struck: Vec<_> = (1..=60).filter(|nth| bad_day(7).strike(*nth, "create_machine").is_some()).collect();
        assert_eq!(struck, [6, 8, 21, 25, 29, 40, 44, 45, 47, 48, 54, 58]);
        assert_eq!(bad_day(7).strike(6, "create_machine"), Some(Fault::LateEffect(Duration::from_millis(1_789))));
        assert_eq!(bad_day(7).strike(54, "create_machine"), Some(Fault::AnswerLost));
    }

    #[test]
    fn each_adversity_comes_as_often_as_its_profile_says_and_only_where_it_can() {
        let faults = bad_day(3);
        let count =
            |action: &str, wanted: fn(&Fault) -> bool| (1..=20_000).filter_map(|nth| faults.strike(nth, action)).filter(wanted).count();
        let near = |found: usize, expected: usize| found.abs_diff(expected) < expected / 4;
        let limited = count("create_machine", |fault| matches!(fault, Fault::Answer { status: 429, .. }));
        assert!(near(limited, 1_000), "{limited}");
        let lost = count("create_machine", |fault| *fault == Fault::AnswerLost);
        assert!(near(lost, 300), "{lost}");
        let late = |action| count(action, |fault| matches!(fault, Fault::LateEffect(_)));
        assert!(near(late("create_machine"), 300));
        assert_eq!((late("get_machine"), late("list_machines")), (0, 0), "a read has no effect that could be late");
        let full = |action| count(action, |fault| matches!(fault, Fault::Answer { status: 409 | 422, .. }));
        assert!(near(full("start_machine"), 200));
        assert_eq!(full("stop_machine"), 0);
    }

    #[test]
    fn apps_are_refused_in_the_form_of_their_upstream() {
        let bodies = (1..=2_000).filter_map(|nth| match bad_day(1).strike(nth, "create_app") {
            Some(Fault::Answer { body: Value::Object(body), .. }) => Some(body),
            _ => None,
        });
        let bodies: Vec<_> = bodies.collect();
        assert!(bodies.len() > 50 && bodies.iter().all(|body| body.contains_key("message")));
    }
}
