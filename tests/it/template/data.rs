//! Data: the table is the one that the store asks, and what holds state outlives the stack.

use serde_json::{Value, json};

use super::{Template, text};

/// Partition and sort key, as CloudFormation writes them.
fn key_schema((partition, sort): (&str, &str)) -> Value {
    json!([{ "AttributeName": partition, "KeyType": "HASH" }, { "AttributeName": sort, "KeyType": "RANGE" }])
}

#[test]
fn the_table_is_the_one_that_the_store_asks() {
    let (template, ours) = (Template::read(), dynamo::table_description());
    let table = &template.0["Resources"]["Table"]["Properties"];
    let attributes: Value = ours.attributes.iter().map(|(name, kind)| json!({ "AttributeName": name, "AttributeType": kind })).collect();
    let indexes = ours.indexes.iter().map(|index| {
        let projection = if index.carries.is_empty() {
            json!({ "ProjectionType": "KEYS_ONLY" })
        } else {
            json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": index.carries })
        };
        json!({ "IndexName": index.name, "KeySchema": key_schema(index.key), "Projection": projection })
    });
    assert_eq!(table["AttributeDefinitions"], attributes);
    assert_eq!(table["KeySchema"], key_schema(ours.key));
    assert_eq!(table["GlobalSecondaryIndexes"], indexes.collect::<Value>());
    assert_eq!(table["TimeToLiveSpecification"], json!({ "AttributeName": ours.time_to_live, "Enabled": true }));
}

/// Every index by name in the policies of those who ask it: a new index would otherwise be refused in the cloud only.
#[test]
fn every_index_may_be_asked_by_the_sweep() {
    let template = Template::read();
    let statements = template.property("SweepRole", "/Policies/0/PolicyDocument/Statement");
    let resources = statements.as_array().unwrap().iter().filter(|one| one["Sid"] == "Indexes").flat_map(|one| one["Resource"].as_array());
    let named: Vec<_> =
        resources.flatten().filter_map(|one| one["Fn::Sub"].as_str()?.rsplit_once("/index/")).map(|(_, name)| name).collect();
    let ours: Vec<_> = dynamo::table_description().indexes.iter().map(|index| index.name).collect();
    assert_eq!(named, ours);
}

#[test]
fn the_table_can_be_brought_back_and_is_not_deleted_by_accident() {
    let template = Template::read();
    let table = &template.0["Resources"]["Table"]["Properties"];
    assert_eq!(table["BillingMode"], "PAY_PER_REQUEST");
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["PointInTimeRecoverySpecification"], json!({ "PointInTimeRecoveryEnabled": true, "RecoveryPeriodInDays": 35 }));
    assert_eq!(table["SSESpecification"]["SSEType"], "KMS");
}

#[test]
fn what_holds_state_outlives_the_stack() {
    let template = Template::read();
    let holding = ["AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret"];
    let mut kept = 0;
    for (id, resource) in holding.iter().flat_map(|kind| template.all(kind)) {
        kept += 1;
        assert_eq!((&resource["DeletionPolicy"], &resource["UpdateReplacePolicy"]), (&json!("Retain"), &json!("Retain")), "{id}");
    }
    assert_eq!(kept, 6, "a table, a key and four secrets");
    // What is left behind is taken up again by name.
    let guide = text("docs/operating.md");
    for (id, _) in holding.iter().flat_map(|kind| template.all(kind)) {
        assert_eq!(guide.matches(&format!("\"{id}\"")).count(), 2, "a new stack would not take up {id}");
    }
}

/// CloudFormation would show a secret's value to whoever may read the stack.
#[test]
fn no_secret_has_its_value_in_the_template() {
    let template = Template::read();
    for (id, secret) in template.all("AWS::SecretsManager::Secret") {
        assert!(secret["Properties"].get("SecretString").is_none(), "{id}");
        let name = secret["Properties"]["Name"]["Fn::Sub"].as_str().unwrap();
        assert!(name.starts_with("rockpool/${Deployment}/") && !name.contains("/instances/"), "{id} is called {name}");
    }
}
