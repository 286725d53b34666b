//! Which permissions a call needs, in the words of IAM.

use serde_json::Value;

use crate::AwsSim;
use crate::fault::Service;

/// An action that an access key did to a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    /// The access key's identifier; empty if the call was not signed.
    pub caller: String,
    /// The action as IAM names it: `dynamodb:UpdateItem`.
    pub action: String,
    /// The resource's ARN; `*` for an action that has none.
    pub resource: String,
}

/// The access key in an `Authorization` header:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-authentication-methods.html>.
pub(crate) fn caller(authorization: &str) -> &str {
    let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    scope.split('/').next().unwrap_or_default()
}

/// What a call does. Actions and resources: <https://docs.aws.amazon.com/service-authorization/latest/reference/>.
pub(crate) fn by(caller: &str, service: Service, operation: &str, body: &Value) -> Vec<Used> {
    let done = match service {
        Service::DynamoDb => tables(operation, body),
        Service::Sqs => vec![(queue_action(operation), queue(body))],
        Service::SecretsManager => secrets(operation, body),
    };
    let prefix = service.as_str();
    let used = |(action, resource): (String, String)| Used { caller: caller.to_owned(), action: format!("{prefix}:{action}"), resource };
    done.into_iter().map(used).collect()
}

/// A transaction needs the permission for each of its parts, and none of its own.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
fn tables(operation: &str, body: &Value) -> Vec<(String, String)> {
    let parts = [
        ("Put", "PutItem"),
        ("Update", "UpdateItem"),
        ("Delete", "DeleteItem"),
        ("ConditionCheck", "ConditionCheckItem"),
        ("Get", "GetItem"),
    ];
    match operation {
        "TransactWriteItems" | "TransactGetItems" => {
            let items = body["TransactItems"].as_array().into_iter().flatten();
            let part = |item: &Value| parts.iter().find_map(|(part, action)| Some(((*action).to_owned(), table(item.get(part)?))));
            items.filter_map(part).collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let names = body["RequestItems"].as_object().into_iter().flatten();
            names.map(|(name, _)| (operation.to_owned(), table_arn(name))).collect()
        }
        _ => vec![(operation.to_owned(), table(body))],
    }
}

fn table(request: &Value) -> String {
    match (request["TableName"].as_str(), request["IndexName"].as_str()) {
        (Some(table), Some(index)) => format!("{}/index/{index}", table_arn(table)),
        (Some(table), None) => table_arn(table),
        (None, _) => "*".to_owned(),
    }
}

fn table_arn(name: &str) -> String {
    arn("dynamodb", &format!("table/{name}"))
}

/// The batches of SQS need the permission of the single call.
fn queue_action(operation: &str) -> String {
    operation.strip_suffix("Batch").unwrap_or(operation).to_owned()
}

fn queue(body: &Value) -> String {
    let name = body["QueueName"].as_str().or_else(|| body["QueueUrl"].as_str()?.rsplit('/').next());
    name.map_or_else(|| "*".to_owned(), |name| arn("sqs", name))
}

/// Secrets Manager adds six characters of its own choosing to a secret's name.
fn secrets(operation: &str, body: &Value) -> Vec<(String, String)> {
    let name = body["SecretId"].as_str().or_else(|| body["Name"].as_str());
    let resource = match name {
        Some(arn) if arn.starts_with("arn:") => arn.to_owned(),
        Some(name) => arn("secretsmanager", &format!("secret:{name}-??????")),
        None => "*".to_owned(),
    };
    let mut done = vec![(operation.to_owned(), resource.clone())];
    // A secret that is made with tags needs the permission to tag as well.
    if operation == "CreateSecret" && body["Tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
        done.push(("TagResource".to_owned(), resource));
    }
    done
}

fn arn(service: &str, resource: &str) -> String {
    format!("arn:aws:{service}:{}:{}:{resource}", AwsSim::REGION, AwsSim::ACCOUNT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn done(service: Service, operation: &str, body: Value) -> Vec<(String, String)> {
        let all = by("AKID", service, operation, &body);
        all.into_iter().map(|used| (used.action, used.resource.split(':').skip(5).collect::<Vec<_>>().join(":"))).collect()
    }

    fn pair(action: &str, resource: &str) -> (String, String) {
        (action.to_owned(), resource.to_owned())
    }

    #[test]
    fn the_caller_is_the_access_key_of_the_signature() {
        let header = "AWS4-HMAC-SHA256 Credential=AKIDAPI/20261123/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00";
        assert_eq!(caller(header), "AKIDAPI");
        assert_eq!(caller(""), "");
    }

    #[test]
    fn a_transaction_is_each_of_its_parts() {
        let parts = json!({ "TransactItems": [{ "Put": { "TableName": "t" } }, { "ConditionCheck": { "TableName": "t" } }] });
        let expected = [pair("dynamodb:PutItem", "table/t"), pair("dynamodb:ConditionCheckItem", "table/t")];
        assert_eq!(done(Service::DynamoDb, "TransactWriteItems", parts), expected);
    }

    #[test]
    fn an_index_is_a_resource_of_its_own() {
        let query = json!({ "TableName": "t", "IndexName": "overdue" });
        assert_eq!(done(Service::DynamoDb, "Query", query), [pair("dynamodb:Query", "table/t/index/overdue")]);
    }

    #[test]
    fn a_batch_of_messages_is_sent_under_the_permission_to_send() {
        let batch = json!({ "QueueUrl": "http://127.0.0.1:1/123456789012/flows" });
        assert_eq!(done(Service::Sqs, "SendMessageBatch", batch), [pair("sqs:SendMessage", "flows")]);
    }

    #[test]
    fn a_secret_with_tags_is_made_under_two_permissions() {
        let secret = json!({ "Name": "a/b", "Tags": [{ "Key": "k", "Value": "v" }] });
        let resource = "secret:a/b-??????";
        let expected = [pair("secretsmanager:CreateSecret", resource), pair("secretsmanager:TagResource", resource)];
        assert_eq!(done(Service::SecretsManager, "CreateSecret", secret), expected);
    }
}
