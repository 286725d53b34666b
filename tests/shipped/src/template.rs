//! `infra/template.yaml`, as far as it says what the functions are deployed with and what they may do.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sim::AwsSim;
use serde_json::Value;

use crate::binaries::root;

// The reader of the tests that hold the template against the code.
#[allow(clippy::unwrap_used, reason = "it reads a file of this repository")]
#[path = "../../it/template/reading.rs"]
mod reading;

/// The template cannot be read, or says something that this reader does not know.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file.
    #[error("infra/template.yaml cannot be read")]
    File(#[from] std::io::Error),
    /// Something in it.
    #[error("infra/template.yaml: {0}")]
    Unknown(String),
}

/// The template, with values for its parameters.
pub struct Template {
    document: Value,
    /// What `Ref` gives, by name: parameters, pseudo parameters, and resources that somebody has made.
    references: BTreeMap<String, String>,
}

/// A function as it is deployed.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// The package and program.
    pub function: String,
    /// Its memory, in MB.
    pub memory_mb: u32,
    /// What an invocation may take.
    pub timeout: Duration,
    /// Its variables, with values.
    pub environment: BTreeMap<String, String>,
    /// What invokes it.
    pub source: Source,
    /// What its role allows.
    pub grants: Vec<Grant>,
}

/// What invokes a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Requests.
    HttpApi,
    /// The clock, with this text, in which the time is to be put.
    Schedule {
        /// The input.
        input: String,
    },
    /// A queue.
    Queue {
        /// Its name.
        name: String,
        /// Messages per invocation.
        batch_size: u32,
        /// Invocations at the same time.
        concurrency: usize,
    },
}

/// An action that a role allows on a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The statement's name.
    pub sid: String,
    /// The action.
    pub action: String,
    /// The resource's ARN, perhaps with wildcards.
    pub resource: String,
}

impl Template {
    /// Reads the template. What has no value here has its default.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(parameters: &[(&str, &str)]) -> Result<Self, TemplateError> {
        let text = std::fs::read_to_string(root().join("infra/template.yaml"))?;
        let document = reading::value(&text);
        let mut references = BTreeMap::from(
            [("AWS::Region", AwsSim::REGION), ("AWS::AccountId", AwsSim::ACCOUNT), ("AWS::Partition", "aws")]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        for (name, parameter) in document["Parameters"].as_object().into_iter().flatten() {
            if let Some(default) = plain(&parameter["Default"]) {
                references.insert(name.clone(), default);
            }
        }
        references.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Ok(Self { document, references })
    }

    /// Says what a reference to a resource gives that somebody has made: a queue's URL, a secret's ARN.
    pub fn refer(&mut self, resource: &str, value: impl Into<String>) {
        self.references.insert(resource.to_owned(), value.into());
    }

    /// The resources of a type, each with the name that it will have.
    ///
    /// # Errors
    /// If a name cannot be told.
    pub fn named(&self, kind: &str, property: &str) -> Result<Vec<(String, String)>, TemplateError> {
        self.of(kind).map(|(id, resource)| Ok((id.clone(), self.text(&resource["Properties"][property])?))).collect()
    }

    /// What alarms wait for in a namespace: the names of metrics, each with the names of its dimensions.
    #[must_use]
    pub fn alarm_metrics(&self, namespace: &str) -> Vec<(String, Vec<String>)> {
        let mut found = Vec::new();
        for (_, alarm) in self.of("AWS::CloudWatch::Alarm") {
            let properties = &alarm["Properties"];
            let several = properties["Metrics"].as_array().into_iter().flatten().map(|one| &one["MetricStat"]["Metric"]);
            for metric in several.chain([properties]).filter(|metric| metric["Namespace"] == namespace) {
                let dimensions = metric["Dimensions"].as_array().into_iter().flatten().filter_map(|one| plain(&one["Name"]));
                found.extend(plain(&metric["MetricName"]).map(|name| (name, dimensions.collect())));
            }
        }
        found
    }

    /// Every function.
    ///
    /// # Errors
    /// If something about one cannot be told.
    pub fn functions(&self) -> Result<Vec<Deployed>, TemplateError> {
        self.of("AWS::Serverless::Function").map(|(_, resource)| self.function(resource)).collect()
    }

    fn function(&self, resource: &Value) -> Result<Deployed, TemplateError> {
        let properties = &resource["Properties"];
        let function = self.text(&resource["Metadata"]["BuildProperties"]["Binary"])?;
        let mut environment = BTreeMap::new();
        for variables in [&self.document["Globals"]["Function"], properties].map(|holder| &holder["Environment"]["Variables"]) {
            for (name, value) in variables.as_object().into_iter().flatten() {
                environment.insert(name.clone(), self.text(value)?);
            }
        }
        let number = |name: &str| properties[name].as_u64().ok_or_else(|| unknown(format!("{function} has no {name}")));
        let event = properties["Events"].as_object().and_then(|events| events.values().next());
        let event = event.ok_or_else(|| unknown(format!("nothing invokes {function}")))?;
        let role = properties["Role"]["Fn::GetAtt"][0].as_str().unwrap_or_default();
        Ok(Deployed {
            memory_mb: u32::try_from(number("MemorySize")?).map_err(|error| unknown(error.to_string()))?,
            timeout: Duration::from_secs(number("Timeout")?),
            environment,
            source: self.source(event)?,
            grants: self.grants(role)?,
            function,
        })
    }

    fn source(&self, event: &Value) -> Result<Source, TemplateError> {
        let properties = &event["Properties"];
        match event["Type"].as_str().unwrap_or_default() {
            "HttpApi" => Ok(Source::HttpApi),
            "ScheduleV2" => Ok(Source::Schedule { input: self.text(&properties["Input"])? }),
            "SQS" => {
                let arn = self.text(&properties["Queue"])?;
                let number = |value: &Value| value.as_u64().ok_or_else(|| unknown(format!("the mapping of {arn} lacks a number")));
                let reports =
                    properties["FunctionResponseTypes"].as_array().is_some_and(|types| types.contains(&"ReportBatchItemFailures".into()));
                if !reports {
                    return Err(unknown(format!("the mapping of {arn} does not report failures")));
                }
                Ok(Source::Queue {
                    batch_size: u32::try_from(number(&properties["BatchSize"])?).map_err(|error| unknown(error.to_string()))?,
                    concurrency: usize::try_from(number(&properties["ScalingConfig"]["MaximumConcurrency"])?)
                        .map_err(|error| unknown(error.to_string()))?,
                    name: arn.rsplit(':').next().unwrap_or_default().to_owned(),
                })
            }
            other => Err(unknown(format!("a function is invoked by {other}"))),
        }
    }

    /// What a role allows.
    fn grants(&self, role: &str) -> Result<Vec<Grant>, TemplateError> {
        let mut grants = Vec::new();
        let policies = self.document["Resources"][role]["Properties"]["Policies"].as_array();
        for policy in policies.ok_or_else(|| unknown(format!("there is no role {role} with policies")))? {
            for statement in listed(&policy["PolicyDocument"]["Statement"]) {
                if statement["Effect"] != "Allow" {
                    return Err(unknown(format!("{role} has a statement that does not allow")));
                }
                for action in listed(&statement["Action"]) {
                    for resource in listed(&statement["Resource"]) {
                        let sid = statement["Sid"].as_str().unwrap_or_default().to_owned();
                        grants.push(Grant { sid, action: self.text(action)?, resource: self.text(resource)? });
                    }
                }
            }
        }
        Ok(grants)
    }

    fn of<'t>(&'t self, kind: &str) -> impl Iterator<Item = (&'t String, &'t Value)> {
        let resources = self.document["Resources"].as_object().into_iter().flatten();
        resources.filter(move |(_, resource)| resource["Type"] == kind)
    }

    /// A value as a text, its functions carried out.
    fn text(&self, value: &Value) -> Result<String, TemplateError> {
        if let Some(plain) = plain(value) {
            return Ok(plain);
        }
        let call = value.as_object().and_then(|call| call.iter().next().filter(|_| call.len() == 1));
        match call.map(|(name, argument)| (name.as_str(), argument)) {
            Some(("Ref", Value::String(name))) => self.reference(name),
            Some(("Fn::GetAtt", path)) => self.attribute(path[0].as_str().unwrap_or_default(), path[1].as_str().unwrap_or_default()),
            Some(("Fn::Sub", Value::String(text))) => self.substitute(text),
            _ => Err(unknown(format!("{value} is written in a way that is not known"))),
        }
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        self.references.get(name).cloned().ok_or_else(|| unknown(format!("{name} has no value")))
    }

    /// The ARNs and names of resources that have a name.
    fn attribute(&self, id: &str, attribute: &str) -> Result<String, TemplateError> {
        let resource = &self.document["Resources"][id];
        let properties = &resource["Properties"];
        let arn = |service: &str, rest: String| format!("arn:aws:{service}:{}:{}:{rest}", AwsSim::REGION, AwsSim::ACCOUNT);
        match (resource["Type"].as_str().unwrap_or_default(), attribute) {
            ("AWS::SQS::Queue", "Arn") => Ok(arn("sqs", self.text(&properties["QueueName"])?)),
            ("AWS::SQS::Queue", "QueueName") => self.text(&properties["QueueName"]),
            ("AWS::DynamoDB::Table", "Arn") => Ok(arn("dynamodb", format!("table/{}", self.text(&properties["TableName"])?))),
            ("AWS::KMS::Key", "Arn") => Ok(arn("kms", format!("key/{id}"))),
            (kind, attribute) => Err(unknown(format!("{attribute} of {id}, which is {kind}, is not known"))),
        }
    }

    fn substitute(&self, text: &str) -> Result<String, TemplateError> {
        let mut written = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| unknown(format!("`{text}` does not end its names")))?;
            written += before;
            written += &match name.split_once('.') {
                Some((id, attribute)) => self.attribute(id, attribute)?,
                None => self.reference(name)?,
            };
            rest = after;
        }
        Ok(written + rest)
    }
}

/// One value, or each of several.
fn listed(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        other => std::slice::from_ref(other),
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

fn unknown(what: impl Into<String>) -> TemplateError {
    TemplateError::Unknown(what.into())
}
