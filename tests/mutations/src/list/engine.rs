//! `crates/durable`: rules 3 to 12 of the durable flow.

use crate::mutation::{Edit, Mutation, Target, Test};

const DRIVE: &str = "crates/durable/src/drive.rs";
const ENGINE: &str = "crates/durable/src/engine.rs";
const GRIP: &str = "crates/durable/src/grip.rs";
const RECORD: &str = "crates/durable/src/record.rs";
const RUN: &str = "crates/durable/src/run.rs";
const SWEEP: &str = "crates/durable/src/sweep.rs";
const TIMING: &str = "crates/durable/src/timing.rs";
const UNWIND: &str = "crates/durable/src/unwind.rs";
const VERDICT: &str = "crates/durable/src/verdict.rs";

const fn engine(name: &'static str) -> Test {
    Test { package: "durable", target: Target::Tests("engine"), name }
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "commit ignores a cancel",
        breaks: "A cancel that was accepted while the last step ran ends in success.",
        edits: &[Edit { file: RUN, before: "let guard = self.grip.guard();", after: "let guard = Guard::None;" }],
        caught_by: engine("cancelling::a_commit_is_refused_by_a_cancel_that_nobody_has_seen_yet"),
    },
    Mutation {
        name: "end ignores a cancel",
        breaks: "A run that never commits succeeds although its cancel was accepted.",
        edits: &[Edit { file: GRIP, before: "let guard = self.guard();", after: "let guard = Guard::None;" }],
        caught_by: engine("writing::a_cancel_between_the_last_step_and_the_end_turns_the_run_back"),
    },
    Mutation {
        name: "cancel not looked for before a step",
        breaks: "A cancelled run goes on building what it is about to remove.",
        edits: &[Edit { file: RUN, before: "if grip.is_cancelled() {", after: "if false {" }],
        caught_by: engine("cancelling::a_cancel_during_a_step_is_seen_with_its_write"),
    },
    Mutation {
        name: "message sent before the pause is written",
        breaks: "The message arrives while the run is still held, dies out, and nobody wakes the run.",
        edits: &[
            Edit {
                file: DRIVE,
                before: "next.trying = Some(trying);\n        pause(&mut next, until, &self.grip.timing);",
                after: "next.trying = Some(trying);\n        let sent = self.sent(until).await;\n        pause(&mut next, until, &self.grip.timing);",
            },
            Edit {
                file: DRIVE,
                before: "Ok(()) => ControlFlow::Break(self.sent(until).await),",
                after: "Ok(()) => ControlFlow::Break(sent),",
            },
        ],
        caught_by: engine("waiting::the_pause_is_written_before_its_message_is_sent"),
    },
    Mutation {
        name: "delay of a message rounded down",
        breaks: "The message arrives before its time, dies out, and every pause lasts until the sweep.",
        edits: &[Edit {
            file: DRIVE,
            before: "Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))",
            after: "Duration::from_secs(duration.as_secs())",
        }],
        caught_by: engine("waiting::a_delay_is_rounded_up_so_that_the_message_is_not_early"),
    },
    Mutation {
        name: "overdue_at forgotten at creation",
        breaks: "A run whose first message is lost is never found again.",
        edits: &[Edit { file: RECORD, before: "overdue_at: Some(now + jiff::SignedDuration::from_secs(15)),", after: "overdue_at: None," }],
        caught_by: engine("sweeping::a_run_whose_first_message_is_lost_is_found_after_fifteen_seconds"),
    },
    Mutation {
        name: "journal matched by name only",
        breaks: "The second step of a name gets the result of the first: the volume of a refused region.",
        edits: &[Edit {
            file: RUN,
            before: "self.grip.record.journal.get(self.visited) else",
            after: "self.grip.record.journal.iter().find(|entry| entry.name == name) else",
        }],
        caught_by: engine("walking::steps_of_one_name_keep_their_own_values"),
    },
    Mutation {
        name: "journal matched by position only",
        breaks: "A step that was put before another takes the other's result for its own.",
        edits: &[Edit { file: RUN, before: "if entry.name != name || entry.act != act {", after: "if entry.act != act {" }],
        caught_by: engine("walking::a_step_under_another_name_parks_the_run_and_touches_nothing"),
    },
    Mutation {
        name: "claims not limited",
        breaks: "A run that kills every worker is claimed for ever.",
        edits: &[Edit { file: ENGINE, before: "if claims > self.timing.claims {", after: "if claims == u32::MAX {" }],
        caught_by: engine("parking::twelve_claims_without_progress_park_the_run_before_a_thirteenth_works_on_it"),
    },
    Mutation {
        name: "work goes on beyond the lease",
        breaks: "Two workers act on the same machine at the same time.",
        edits: &[Edit {
            file: ENGINE,
            before: "self.walk(record, claim, until.min(lease_until))",
            after: "self.walk(record, claim, until)",
        }],
        caught_by: engine("trying::no_step_runs_longer_than_the_lease_whatever_time_the_worker_thinks_it_has"),
    },
    Mutation {
        name: "step begun with too little time",
        breaks: "The invocation ends in the middle of a step, whose result is then unknown.",
        edits: &[Edit {
            file: GRIP,
            before: "self.clock.now() + self.timing.step_needs <= self.until",
            after: "self.clock.now() <= self.until",
        }],
        caught_by: engine("walking::a_fresh_step_is_not_begun_with_too_little_time_left"),
    },
    Mutation {
        name: "not-yet counted as an attempt",
        breaks: "A slow first boot uses up its attempts and the instance is undone.",
        edits: &[Edit { file: VERDICT, before: "(Some(look_again_in), why, false)", after: "(Some(look_again_in), why, true)" }],
        caught_by: engine("waiting::waiting_is_not_an_attempt_and_ends_at_the_deadline"),
    },
    Mutation {
        name: "undo looks at once after an ambiguous answer",
        breaks: "The provider's lists lag, so the undo does not see what the last try made, and it stays for ever.",
        edits: &[Edit {
            file: VERDICT,
            before: "trying.attempts, trying.said), ambiguous: true };",
            after: "trying.attempts, trying.said), ambiguous: false };",
        }],
        caught_by: engine("trying::after_an_ambiguous_last_answer_nobody_looks_for_two_seconds"),
    },
    Mutation {
        name: "turn not written before the first undo",
        breaks: "A worker that dies among the undos leaves a run that goes forward on what was removed.",
        edits: &[Edit {
            file: DRIVE,
            before: "match self.grip.write(next, Guard::None).await {\n            Ok(()) if settle =>",
            after: "let written = if settle {\n            self.grip.write(next, Guard::None).await\n        } else {\n            self.grip.record = next;\n            Ok(())\n        };\n        match written {\n            Ok(()) if settle =>",
        }],
        caught_by: engine("unwinding::the_turn_is_written_before_the_first_undo"),
    },
    Mutation {
        name: "turned run goes forward",
        breaks: "A run on its way back does the steps that it never came to.",
        edits: &[Edit { file: RUN, before: "if matches!(grip.record.phase, Phase::Unwinding { .. }) {", after: "if false {" }],
        caught_by: engine("unwinding::a_run_that_turned_back_never_goes_forward_again"),
    },
    Mutation {
        name: "undo oldest first",
        breaks: "The app is deleted before the volume and the machine in it, which go with it uncounted.",
        edits: &[Edit { file: UNWIND, before: "for place in (0..self.armed.len()).rev() {", after: "for place in 0..self.armed.len() {" }],
        caught_by: engine("unwinding::undos_run_newest_first_and_include_that_of_the_step_that_failed"),
    },
    Mutation {
        name: "undo not recorded",
        breaks: "After a crash everything is undone again, and what cannot be undone is forgotten.",
        edits: &[Edit { file: UNWIND, before: "next.undone.push(Undone {", after: "drop(Undone {" }],
        caught_by: engine("unwinding::a_recorded_undo_is_not_run_again"),
    },
    Mutation {
        name: "what was left is not reported",
        breaks: "A machine that could not be deleted costs money and nobody is told.",
        edits: &[Edit {
            file: UNWIND,
            before: ".then(|| named(&next)).flatten();",
            after: ".then(|| named(&next)).flatten().filter(String::is_empty);",
        }],
        caught_by: engine("unwinding::an_undo_that_never_succeeds_is_left_and_the_others_still_run"),
    },
    Mutation {
        name: "release does not disarm",
        breaks: "What was released is undone once more on the way back, and places of undos no longer agree.",
        edits: &[
            Edit {
                file: RUN,
                before: "while self.armed.len() > mark.0 {\n            let name = self.armed.last().expect(\"longer than the mark\").name;",
                after: "for place in (mark.0..self.armed.len()).rev() {\n            let name = self.armed[place].name;",
            },
            Edit { file: RUN, before: "self.armed.last_mut().and_then(", after: "self.armed.get_mut(place).and_then(" },
            Edit { file: RUN, before: "            self.armed.pop();\n", after: "" },
        ],
        caught_by: engine("unwinding::what_was_released_is_not_undone_again_on_the_way_back"),
    },
    Mutation {
        name: "commit keeps the undos armed",
        breaks: "A release after the point of no return removes what is in service.",
        edits: &[Edit { file: RUN, before: "self.armed.clear();", after: "" }],
        caught_by: engine("unwinding::a_release_after_the_commit_reaches_no_undo_from_before_it"),
    },
    Mutation {
        name: "turning back after the commit",
        breaks: "A failure after the point of no return undoes an instance that its customer already uses.",
        edits: &[Edit { file: DRIVE, before: "if self.grip.record.committed {", after: "if false {" }],
        caught_by: engine("parking::a_fatal_step_after_the_commit_parks_and_undoes_nothing"),
    },
    Mutation {
        name: "notices written on failure",
        breaks: "A customer is told that an instance is ready which was never made.",
        edits: &[Edit {
            file: DRIVE,
            before: "self.finish(outcome, Value::Null, Vec::new()).await",
            after: "let notices = std::mem::take(&mut self.notices);\n        self.finish(outcome, Value::Null, notices).await",
        }],
        caught_by: engine("ending::a_run_that_turned_back_tells_nothing_of_its_way_forward"),
    },
    Mutation {
        name: "run that follows not woken",
        breaks: "A wish that came meanwhile waits for the sweep.",
        edits: &[Edit { file: DRIVE, before: "send(self.wake, run, Duration::ZERO).await;", after: "tracing::debug!(%run);" }],
        caught_by: engine("ending::the_run_that_follows_is_woken"),
    },
    Mutation {
        name: "sweep sends before it writes",
        breaks: "A sweep that reads a stale index wakes runs that are at work or over, and two sweeps at once send twice.",
        edits: &[
            Edit {
                file: SWEEP,
                before: "match self.journal.postpone(&seen, until).await {",
                after: "let sent = send(&*self.wake, &seen.id, std::time::Duration::ZERO).await;\n        match self.journal.postpone(&seen, until).await {",
            },
            Edit {
                file: SWEEP,
                before: "Ok(true) if send(&*self.wake, &seen.id, std::time::Duration::ZERO).await => Swept::Sent,",
                after: "Ok(true) if sent => Swept::Sent,",
            },
        ],
        caught_by: engine("stale::a_run_that_somebody_else_moved_on_first_gets_no_message_and_is_left_as_it_is"),
    },
    Mutation {
        name: "lease shorter than the invocation",
        breaks: "Another worker claims a run whose first worker is still at it.",
        edits: &[Edit { file: TIMING, before: "lease: Duration::from_secs(150),", after: "lease: Duration::from_secs(100)," }],
        caught_by: Test {
            package: "durable",
            target: Target::Lib,
            name: "timing::tests::an_invocation_is_over_before_its_lease_and_the_lease_before_the_message_shows_again",
        },
    },
];
