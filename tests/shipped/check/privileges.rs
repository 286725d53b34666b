//! What the functions did in all parts before, against what their roles allow: nothing else, and nothing more.

use std::collections::BTreeSet;

use aws_sim::Used;
use shipped::{Deployed, Grant, access_key};

use crate::{Check, lasting};

/// What AWS does under a function's role without being asked by the function, and why. The emulators do none of it.
const SERVICE: [(&str, &str, &str); 6] = [
    ("TheServiceOpensTheKey", "kms:Decrypt", "DynamoDB and Secrets Manager open the key for whoever asks them for what it closes"),
    ("TheServicePolls", "sqs:ReceiveMessage", "Lambda takes messages for the function"),
    ("TheServicePolls", "sqs:DeleteMessage", "Lambda deletes those that the function did not give back"),
    ("TheServicePolls", "sqs:GetQueueAttributes", "Lambda looks how many messages there are, to decide how many environments to start"),
    ("TheServiceWritesLogs", "logs:CreateLogStream", "Lambda makes a stream for each environment"),
    ("TheServiceWritesLogs", "logs:PutLogEvents", "Lambda writes down what the function prints"),
];

pub(crate) async fn both_ways(check: &mut Check) {
    let platform = check.platform(None).await;
    let mut wrong = Vec::new();
    for deployed in &platform.deployed {
        let key = access_key(&deployed.function);
        let own = deployed.grants.iter().filter(|grant| !is_service(grant)).count();
        println!("  {}: {own} permissions of its own, {} of the service's", deployed.function, deployed.grants.len() - own);
        let used: Vec<_> = check.used.iter().filter(|used| used.caller == key).collect();
        assert!(!used.is_empty(), "nothing that {} did was seen: run all parts", deployed.function);
        wrong.extend(of(deployed, &used));
        the_comparison_sees_one_more_and_one_less(deployed, &used);
    }
    let granted = platform.deployed.iter().flat_map(|deployed| &deployed.grants);
    let granted: BTreeSet<_> = granted.map(|grant| (grant.sid.as_str(), grant.action.as_str())).collect();
    for (sid, action, _) in SERVICE {
        if !granted.contains(&(sid, action)) {
            wrong.push(format!("{sid} {action} is listed here and in no role"));
        }
    }
    let keys: BTreeSet<_> = platform.deployed.iter().map(|deployed| access_key(&deployed.function)).collect();
    let strangers =
        check.used.iter().map(|used| &used.caller).filter(|caller| !keys.contains(*caller) && *caller != "AKIDROCKPOOLSIMULATED");
    wrong.extend(strangers.map(|caller| format!("somebody called with the key `{caller}`")));
    platform.stop().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A role that allows a little more or a little less is found out, whichever permission it is.
fn the_comparison_sees_one_more_and_one_less(deployed: &Deployed, used: &[&Used]) {
    for left_out in (0..deployed.grants.len()).filter(|place| !is_service(&deployed.grants[*place])) {
        let mut less = deployed.clone();
        less.grants.remove(left_out);
        assert!(!of(&less, used).is_empty(), "{} works without {:?}", deployed.function, deployed.grants[left_out]);
    }
    let mut more = deployed.clone();
    more.grants.push(Grant { sid: "More".to_owned(), action: "dynamodb:Scan".to_owned(), resource: "*".to_owned() });
    assert!(!of(&more, used).is_empty(), "{} may scan, and nobody notices", deployed.function);
}

fn is_service(grant: &Grant) -> bool {
    SERVICE.iter().any(|(sid, action, _)| grant.sid == *sid && grant.action == *action)
}

fn of(deployed: &Deployed, used: &[&Used]) -> Vec<String> {
    let own: Vec<_> = deployed.grants.iter().filter(|grant| !is_service(grant)).collect();
    let allows = |grant: &Grant, used: &Used| grant.action == used.action && covers(&lasting(&grant.resource), &used.resource);
    let forbidden = used.iter().filter(|used| !own.iter().any(|grant| allows(grant, used)));
    let forbidden =
        forbidden.map(|used| format!("{} does {} to {}, which its role does not allow", deployed.function, used.action, used.resource));
    let idle = own.iter().filter(|grant| !used.iter().any(|used| allows(grant, used)));
    let idle = idle.map(|grant| format!("{} may {} on {}, and never does", deployed.function, grant.action, grant.resource));
    forbidden.chain(idle).collect()
}

/// Whether a pattern of IAM, in which `*` and `?` stand for something, covers a resource. What stands for one unknown character in the
/// resource is covered by whatever covers any.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html#reference_policies_elements_resource_wildcards>
fn covers(pattern: &str, resource: &str) -> bool {
    match (pattern.as_bytes().first(), resource.as_bytes().first()) {
        (None, None) => true,
        (Some(b'*'), _) => covers(&pattern[1..], resource) || (!resource.is_empty() && covers(pattern, &resource[1..])),
        (Some(b'?'), Some(_)) => covers(&pattern[1..], &resource[1..]),
        (Some(wanted), Some(found)) => wanted == found && covers(&pattern[1..], &resource[1..]),
        _ => false,
    }
}
