//! CloudFormation's YAML as JSON: what AWS itself makes of it.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The one document of a text.
pub(super) fn value(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap();
    let [document] = documents.as_slice() else { panic!("{} documents", documents.len()) };
    plain(document)
}

fn plain(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(values) => values.iter().map(plain).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.as_str().expect("keys are texts").to_owned(), plain(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, node) => intrinsic(&tag.suffix, plain(node)),
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => panic!("CloudFormation does not read {node:?}"),
    }
}

/// A short intrinsic function in its long form.
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>.
fn intrinsic(tag: &str, argument: Value) -> Value {
    match (tag, &argument) {
        ("Ref" | "Condition", _) => json!({ tag: argument }),
        ("GetAtt", Value::String(path)) => {
            let (resource, attribute) = path.split_once('.').expect("an attribute has a resource");
            json!({ "Fn::GetAtt": [resource, attribute] })
        }
        _ => json!({ format!("Fn::{tag}"): argument }),
    }
}

#[test]
fn short_functions_are_written_out() {
    let text = "a: !Ref X\nb: [!GetAtt X.Y.Z, !Sub 'p-${X}']\nc: !If [On, 1, {d: !Condition E}]\n'on': '2012-10-17'\n";
    let expected = json!({
        "a": { "Ref": "X" },
        "b": [{ "Fn::GetAtt": ["X", "Y.Z"] }, { "Fn::Sub": "p-${X}" }],
        "c": { "Fn::If": ["On", 1, { "d": { "Condition": "E" } }] },
        "on": "2012-10-17",
    });
    assert_eq!(value(text), expected);
}
