//! What AWS does under the roles without being asked by the functions: nothing but what belongs to the function whose role it is. What the
//! functions do themselves is held against their roles while they run, by `tests/shipped`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Template, events, referred, rollout};

/// Where everything of a service is in this account and region.
fn arn(service: &str, rest: &str) -> String {
    format!("arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{rest}")
}

fn listed(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |several| several.iter().collect())
}

/// The statements of a role's policies.
fn statements<'t>(template: &'t Template, role: &str) -> Vec<&'t Value> {
    let policies = template.property(role, "/Policies").as_array().unwrap();
    policies.iter().flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().unwrap()).collect()
}

/// The statements whose name says that they are the service's, by that name.
fn of_the_service<'t>(template: &'t Template, role: &str, sid: &str) -> Vec<&'t Value> {
    statements(template, role).into_iter().filter(|statement| statement["Sid"] == sid).collect()
}

fn role_of(function: &Value) -> &str {
    referred(&function["Properties"]["Role"]).unwrap()
}

/// What the statement of a role's is about, by the texts of its `!Sub`.
fn resources(template: &Template, role: &str, sid: &str) -> BTreeSet<String> {
    let [statement] = of_the_service(template, role, sid)[..] else { panic!("{role} has no {sid}") };
    listed(&statement["Resource"]).into_iter().map(|one| one["Fn::Sub"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lambda_polls_the_functions_own_queue_under_its_role_and_no_other() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let queues: Vec<_> = events(function, "SQS").map(|(_, event)| &event["Queue"]).collect();
        let polls = of_the_service(&template, role_of(function), "TheServicePolls");
        let polled: Vec<_> = polls.iter().flat_map(|statement| listed(&statement["Resource"])).collect();
        assert_eq!(polled, queues, "{id}");
        for statement in polls {
            assert_eq!(statement["Action"], json!(["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]), "{id}");
        }
    }
}

#[test]
fn lambda_writes_the_functions_own_log_under_its_role_and_no_other() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let group = referred(&function["Properties"]["LoggingConfig"]["LogGroup"]).unwrap();
        let name = template.property(group, "/LogGroupName/Fn::Sub").as_str().unwrap();
        let [statement] = of_the_service(&template, role_of(function), "TheServiceWritesLogs")[..] else { panic!("{id} has no log") };
        assert_eq!(statement["Action"], json!(["logs:CreateLogStream", "logs:PutLogEvents"]), "{id}");
        let streams = arn("logs", &format!("log-group:{name}:log-stream:*"));
        assert_eq!(statement["Resource"], json!({ "Fn::Sub": streams }), "{id}");
    }
}

/// The key opens for the services that the function may ask for something that the key closes, and for nobody who comes by another way.
#[test]
fn the_key_opens_for_a_role_only_behind_the_services_that_it_may_ask() {
    let template = Template::read();
    for (id, function) in template.functions() {
        let role = role_of(function);
        let actions: BTreeSet<_> =
            statements(&template, role).into_iter().flat_map(|one| listed(&one["Action"])).filter_map(Value::as_str).collect();
        let asked = ["dynamodb", "secretsmanager"].into_iter().filter(|service| {
            let prefix = format!("{service}:");
            actions.iter().any(|action| action.starts_with(&prefix))
        });
        let behind: Vec<_> = asked.map(|service| json!({ "Fn::Sub": format!("{service}.${{AWS::Region}}.amazonaws.com") })).collect();
        let [statement] = of_the_service(&template, role, "TheServiceOpensTheKey")[..] else { panic!("{id} cannot open the key") };
        assert_eq!(statement["Action"], json!(["kms:Decrypt"]), "{id}");
        assert_eq!(statement["Resource"], json!({ "Fn::GetAtt": ["Key", "Arn"] }), "{id}");
        assert_eq!(statement["Condition"], json!({ "StringEquals": { "kms:ViaService": behind } }), "{id}");
    }
}

/// Whatever begins like a statement of the service's is one of those above.
#[test]
fn a_function_role_has_no_other_statement_of_the_services() {
    let template = Template::read();
    let known = ["TheServicePolls", "TheServiceWritesLogs", "TheServiceOpensTheKey"];
    for (id, function) in template.functions() {
        for statement in statements(&template, role_of(function)) {
            let sid = statement["Sid"].as_str().unwrap_or_else(|| panic!("a statement of {id} has no name"));
            assert!(!sid.starts_with("TheService") || known.contains(&sid), "{id}: {sid}");
            let conditions = statement.get("Condition").is_some();
            assert_eq!(conditions, sid == "TheServiceOpensTheKey", "{id}: {sid}");
        }
    }
}

/// A function that is missing there would be deployed once and never again.
#[test]
fn the_roll_out_shifts_every_function_and_the_schedule_invokes_its_own() {
    let template = Template::read();
    let functions = template.functions();
    let name = |id: &str| template.property(id, "/FunctionName/Fn::Sub").as_str().unwrap().to_owned();
    let arns = |suffixes: &[&str], ids: &mut dyn Iterator<Item = &str>| -> BTreeSet<String> {
        ids.flat_map(|id| suffixes.iter().map(move |suffix| (id, *suffix)))
            .map(|(id, suffix)| arn("lambda", &format!("function:{}{suffix}", name(id))))
            .collect()
    };
    assert_eq!(resources(&template, "RolloutRole", "TheServiceShifts"), arns(&["", ":live"], &mut functions.keys().copied()));
    let scheduled = functions.iter().filter(|(_, function)| events(function, "ScheduleV2").next().is_some());
    assert_eq!(resources(&template, "SchedulerRole", "TheServiceInvokes"), arns(&[":live"], &mut scheduled.map(|(id, _)| *id)));
}

/// An alarm that is missing there is one that CodeDeploy may not look at, and a deployment that does not go on.
#[test]
fn the_roll_out_reads_the_alarms_that_turn_a_function_back_and_no_other() {
    let template = Template::read();
    let alarms = template.functions().into_values().flat_map(|function| rollout::alarms(&template, function));
    let arns: BTreeSet<_> =
        alarms.map(|(_, alarm)| arn("cloudwatch", &format!("alarm:{}", alarm["AlarmName"]["Fn::Sub"].as_str().unwrap()))).collect();
    assert_eq!(resources(&template, "RolloutRole", "TheServiceReadsAlarms"), arns);
}

/// A role, a statement of it, and its actions with the reason for each.
type Allowed = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What the roles that are no function's allow.
///
/// CodeDeploy's own list for functions has actions besides these: objects in S3, because a revision may be kept there, and functions that a
/// deployment calls between its steps. There is neither here, and whoever adds one adds it here.
/// Source: <https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSCodeDeployRoleForLambdaLimited.html>.
const OF_NO_FUNCTION: [Allowed; 3] = [
    (
        "RolloutRole",
        "TheServiceShifts",
        &[
            ("lambda:GetAlias", "reads which version has how much of the work"),
            (
                "lambda:GetProvisionedConcurrencyConfig",
                "asks whether environments are kept ready; here none are, and whether it asks is not ours to say",
            ),
            ("lambda:UpdateAlias", "shifts, forward and back"),
        ],
    ),
    ("RolloutRole", "TheServiceReadsAlarms", &[("cloudwatch:DescribeAlarms", "looks whether one of them calls")]),
    ("SchedulerRole", "TheServiceInvokes", &[("lambda:InvokeFunction", "the one target of the schedule is the sweep")]),
];

#[test]
fn a_role_that_is_no_functions_allows_what_is_listed_and_nothing_else() {
    let template = Template::read();
    let functions: BTreeSet<_> = template.functions().into_values().map(role_of).collect();
    let mut allowed = BTreeMap::new();
    for role in template.all("AWS::IAM::Role").into_keys().filter(|role| !functions.contains(role)) {
        for statement in statements(&template, role) {
            assert_eq!((&statement["Effect"], statement.get("Condition")), (&json!("Allow"), None), "{role}");
            let actions: Vec<_> = listed(&statement["Action"]).into_iter().map(|action| action.as_str().unwrap()).collect();
            assert_eq!(allowed.insert((role, statement["Sid"].as_str().unwrap()), actions), None, "{role}: two statements of a name");
        }
    }
    let listed = OF_NO_FUNCTION.map(|(role, sid, actions)| ((role, sid), actions.iter().map(|(action, _)| *action).collect::<Vec<_>>()));
    assert_eq!(allowed, BTreeMap::from(listed));
}
