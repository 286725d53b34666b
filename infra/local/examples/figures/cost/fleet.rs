//! A fleet, without the hour that it would take to provision it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use dynamo::Store;

use crate::Outcome;
use crate::vertical::{TABLE, Vertical};

/// Items of one `BatchWriteItem`.
const BATCH: usize = 25;

/// Adds copies of the running instance until there are so many more; the first call counts the instance itself.
pub(crate) async fn add(vertical: &Vertical, more: usize) -> Outcome<()> {
    let dynamodb = vertical.aws.dynamodb();
    let mut original = None;
    let mut there = 0;
    for shard in 0..Store::FLEET_SHARDS {
        let query = dynamodb.query().table_name(TABLE).index_name("fleet").key_condition_expression("fleet_shard = :shard");
        let found =
            query.expression_attribute_values(":shard", AttributeValue::S(shard_name(shard))).send().await?.items.unwrap_or_default();
        there += found.len();
        original = original.or_else(|| found.into_iter().next());
    }
    let original = original.ok_or("there is no running instance to copy")?;
    let key = |name: &str| original.get(name).cloned().ok_or("an item lacks its key");
    let original = dynamodb.get_item().table_name(TABLE).key("pk", key("pk")?).key("sk", key("sk")?).send().await?;
    let original = original.item.ok_or("the running instance is gone")?;
    let sort = original["sk"].as_s().map_err(|_| "a sort key is a text")?;
    let (prefix, _) = sort.rsplit_once("ins_").ok_or("a sort key ends with its instance")?;
    let copies = more - usize::from(there == 1);
    let numbers: Vec<usize> = (there..there + copies).collect();
    for batch in numbers.chunks(BATCH) {
        let puts = batch.iter().map(|number| {
            let mut item = original.clone();
            item.insert("sk".to_owned(), AttributeValue::S(format!("{prefix}ins_{number:032x}")));
            item.insert("fleet_shard".to_owned(), AttributeValue::S(shard_name(u32::try_from(*number)? % Store::FLEET_SHARDS)));
            let put = PutRequest::builder().set_item(Some(item)).build()?;
            Ok(WriteRequest::builder().put_request(put).build())
        });
        let puts: Outcome<Vec<WriteRequest>> = puts.collect();
        dynamodb.batch_write_item().set_request_items(Some(HashMap::from([(TABLE.to_owned(), puts?)]))).send().await?;
    }
    Ok(())
}

fn shard_name(shard: u32) -> String {
    format!("{shard:02}")
}
