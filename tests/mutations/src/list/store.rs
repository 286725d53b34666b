//! `crates/dynamo`: conditions, transactions and times.

use crate::mutation::{Edit, Mutation, Target, Test};

const ASK: &str = "crates/dynamo/src/ask.rs";
const CREATE: &str = "crates/dynamo/src/create.rs";
const INSTANCE: &str = "crates/dynamo/src/instance_item.rs";
const JOURNAL: &str = "crates/dynamo/src/journal.rs";
const MOMENT: &str = "crates/dynamo/src/moment.rs";
const RUN: &str = "crates/dynamo/src/run_item.rs";
const SETTLE: &str = "crates/dynamo/src/settle.rs";
const WRITE: &str = "crates/dynamo/src/write.rs";

const CONFORMANCE: Test = Test { package: "dynamo", target: Target::Tests("conformance"), name: "the_store_is_a_journal_like_any_other" };

const fn adversity(name: &'static str) -> Test {
    Test { package: "dynamo", target: Target::Tests("adversity"), name }
}

const fn asks(name: &'static str) -> Test {
    Test { package: "dynamo", target: Target::Tests("asks"), name }
}

const fn instances(name: &'static str) -> Test {
    Test { package: "dynamo", target: Target::Tests("instances"), name }
}

pub(crate) const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "no rev condition",
        breaks: "A late copy of an earlier write undoes a later one.",
        edits: &[Edit {
            file: JOURNAL,
            before: "expression.when(\"#rev = :held_rev AND #owner = :held_owner\").number(\":held_rev\", held.rev)",
            after: "expression.when(\"#owner = :held_owner\")",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "no owner condition",
        breaks: "A worker that lost its claim writes over the one that has it.",
        edits: &[Edit {
            file: JOURNAL,
            before: "(\"#rev = :held_rev AND #owner = :held_owner\").number(\":held_rev\", held.rev).text(\":held_owner\", &held.owner.0)",
            after: "(\"#rev = :held_rev\").number(\":held_rev\", held.rev)",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "another's write taken for one's own",
        breaks: "Two workers believe that they hold the run.",
        edits: &[Edit {
            file: JOURNAL,
            before: "if rev == Some(next.rev) && is(next.owner.as_ref()) {",
            after: "if rev == Some(next.rev) {",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "lease ignored",
        breaks: "Every copy of a message gets a worker of its own.",
        edits: &[Edit {
            file: JOURNAL,
            before: ".when(UNLEASED)\n            .when(\"attribute_not_exists(#not_before)",
            after: ".when(\"attribute_not_exists(#not_before)",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "not_before ignored",
        breaks: "A message that comes early is worked on instead of dying out, and sends another.",
        edits: &[Edit {
            file: JOURNAL,
            before: "attribute_not_exists(#not_before) OR #not_before <= :now OR",
            after: "attribute_not_exists(#not_before) OR #not_before >= :now OR #not_before <= :now OR",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "claims not counted",
        breaks: "A run that kills every worker is claimed for ever.",
        edits: &[Edit { file: JOURNAL, before: "            .assign(\"#claims = #claims + :one\")\n", after: "" }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "cancel raises rev",
        breaks: "A cancel supersedes the worker that is to carry it out, and its step's result is lost.",
        edits: &[Edit {
            file: JOURNAL,
            before: ".assign(\"#cancel_requested_at = if_not_exists(#cancel_requested_at, :now)\")",
            after: ".assign(\"#cancel_requested_at = if_not_exists(#cancel_requested_at, :now)\")\n        .assign(\"#rev = #rev + :raised\")\n        .number(\":raised\", 1)",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "step writes the cancel",
        breaks: "A worker that has not seen a cancel erases it.",
        edits: &[Edit {
            file: RUN,
            before: ".set(\"claims\", number(run.claims))",
            after: ".set(\"claims\", number(run.claims))\n        .put(\"cancel_requested_at\", next.cancel_requested_at.map(Moment::value))",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "sweep without a condition",
        breaks: "A sweep that reads a stale index moves a run that a worker has just claimed or ended.",
        edits: &[Edit {
            file: JOURNAL,
            before: "            .when(\"#overdue_at = :seen\")\n            .value(\":seen\", Moment::value(seen.overdue_at));",
            after: ";",
        }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "run begun outside the index of overdue runs",
        breaks: "A run whose first message is lost is never found again.",
        edits: &[Edit { file: RUN, before: "= due(record) {", after: "= due(record).filter(|_| record.ended_at.is_some()) {" }],
        caught_by: CONFORMANCE,
    },
    Mutation {
        name: "own lost write taken for another's",
        breaks: "Every lost answer costs a lease's time, and the worker drops what it has in hand.",
        edits: &[Edit {
            file: JOURNAL,
            before: "if rev == Some(next.rev) && is(next.owner.as_ref()) {",
            after: "if rev.is_none() && is(next.owner.as_ref()) {",
        }],
        caught_by: adversity("a_lost_answer_to_a_claim_a_step_or_an_end_is_recognised_as_ones_own"),
    },
    Mutation {
        name: "own lost claim taken for another's",
        breaks: "A run whose claim was not answered is left alone for a whole lease.",
        edits: &[Edit {
            file: JOURNAL,
            before: "refused.0.filter(|item| text_of(item, \"owner\") == Some(&claim.owner.0))",
            after: "refused.0.filter(|item| text_of(item, \"owner\").is_none())",
        }],
        caught_by: adversity("a_lost_answer_to_a_claim_a_step_or_an_end_is_recognised_as_ones_own"),
    },
    Mutation {
        name: "follower forgotten with a lost answer",
        breaks: "The run that follows gets no message.",
        edits: &[Edit {
            file: SETTLE,
            before: "expression = expression.set(FOLLOWED_BY, text(&run.0));",
            after: "expression = expression.set(\"followed\", text(&run.0));",
        }],
        caught_by: adversity("an_end_whose_answer_was_lost_for_good_is_told_again_with_its_follower"),
    },
    Mutation {
        name: "conflict taken for a decision",
        breaks: "Two customers' transactions meet on one item, and one of them is told that its name is taken.",
        edits: &[Edit {
            file: WRITE,
            before: "if reasons.iter().any(|reason| code(reason) == \"ConditionalCheckFailed\") {",
            after: "if reasons.iter().any(|reason| code(reason) != \"None\") {",
        }],
        caught_by: adversity("conflicts_and_throttling_pass_unnoticed_and_what_lasts_is_said"),
    },
    Mutation {
        name: "ClientRequestToken missing",
        breaks: "A transaction that is sent again after it was carried out is refused by its own effect.",
        edits: &[Edit { file: WRITE, before: ".client_request_token(&token)", after: "" }],
        caught_by: adversity("every_try_of_a_transaction_has_the_same_token_and_every_transaction_its_own"),
    },
    Mutation {
        name: "end without wanted_rev",
        breaks: "A stop that is asked for while a start ends is answered with yes and never happens.",
        edits: &[Edit {
            file: SETTLE,
            before: "self.putting(stored.replaced_by(instance)?, &stored.unchanged())",
            after: "self.putting(stored.replaced_by(instance)?, &crate::expression::Expression::new())",
        }],
        caught_by: asks("a_wish_raised_while_a_run_ends_is_never_lost"),
    },
    Mutation {
        name: "start without a condition on the instance",
        breaks: "Two restarts at once start two runs on one machine.",
        edits: &[Edit {
            file: ASK,
            before: "let mut writes = vec![self.putting(stored.replaced_by(instance)?, &stored.unchanged())];",
            after: "let mut writes = vec![self.putting(stored.replaced_by(instance)?, &Expression::new())];",
        }],
        caught_by: asks("of_many_at_once_exactly_one_starts_a_run"),
    },
    Mutation {
        name: "replayed wish ignores the digest",
        breaks: "A client that uses a key twice is told that its second request was done.",
        edits: &[Edit { file: ASK, before: "if answered.digest != key.digest {", after: "if answered.digest.is_empty() {" }],
        caught_by: asks("a_repeated_wish_gets_the_first_answer_and_does_nothing"),
    },
    Mutation {
        name: "notices not written with the end",
        breaks: "Nobody is told that an instance is ready.",
        edits: &[Edit { file: SETTLE, before: "writes.push(self.noting(notice)?);", after: "drop(self.noting(notice)?);" }],
        caught_by: asks("the_end_of_a_run_records_its_notices_with_it"),
    },
    Mutation {
        name: "replayed create ignores the digest",
        breaks: "A client that uses a key twice gets somebody else's instance for its own request.",
        edits: &[Edit { file: CREATE, before: "if answered.digest != key.digest {", after: "if answered.digest.is_empty() {" }],
        caught_by: instances("a_repeated_create_gets_the_first_answer_whatever_has_happened_since"),
    },
    Mutation {
        name: "quota exceeded by one",
        breaks: "An organisation gets more than it pays for.",
        edits: &[Edit { file: CREATE, before: "OR #instances < :quota\")", after: "OR #instances <= :quota\")" }],
        caught_by: instances("the_quota_holds_and_a_gone_instance_makes_room"),
    },
    Mutation {
        name: "quota not given back",
        breaks: "An organisation that deletes and creates is locked out after a while.",
        edits: &[Edit {
            file: SETTLE,
            before: "writes.push(self.updating(&keys::quota(&gone.organisation), &one_less()));",
            after: "drop(one_less());",
        }],
        caught_by: instances("the_quota_holds_and_a_gone_instance_makes_room"),
    },
    Mutation {
        name: "name not given back",
        breaks: "A deleted instance's name can never be used again.",
        edits: &[Edit { file: SETTLE, before: "writes.push(self.give_name_back(gone));", after: "drop(self.give_name_back(gone));" }],
        caught_by: instances("a_name_is_taken_once_and_given_back_when_its_instance_is_gone"),
    },
    Mutation {
        name: "miss counted more than once a minute",
        breaks: "A sweep that is delivered three times makes a suspect of an instance that missed one check.",
        edits: &[Edit {
            file: INSTANCE,
            before: "#last_miss_minute >= :oldest AND #last_miss_minute < :last_miss_minute",
            after: "#last_miss_minute >= :oldest AND #last_miss_minute <= :last_miss_minute",
        }],
        caught_by: Test {
            package: "dynamo",
            target: Target::Tests("health"),
            name: "a_miss_counts_once_a_minute_and_the_third_makes_a_suspect",
        },
    },
    Mutation {
        name: "expired items read",
        breaks: "DynamoDB deletes expired items days later; until then an old answer is given for a new request.",
        edits: &[Edit {
            file: MOMENT,
            before: "expires_at.is_some_and(|at| at <= now.as_second())",
            after: "expires_at.is_some_and(|at| at == i64::MIN && at <= now.as_second())",
        }],
        caught_by: Test {
            package: "dynamo",
            target: Target::Lib,
            name: "run_item::tests::an_ended_run_is_gone_after_ninety_days_whether_it_was_deleted_or_not",
        },
    },
];
