//! A shard whose records are pushed: enhanced fan-out.
//!
//! A subscription lasts five minutes at most and is then made anew, from where it says that it is. The consumer
//! stays registered: it is this job's for as long as there is the job, and another registration would have
//! to be waited for.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{
    ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
    SubscribeToShardEventStream,
};
use tokio::time::Instant;

use super::config::FanOut;
use super::fetch::{Reader, arrival_ns};
use super::place::{Place, is_sequence};
use super::poll;
use crate::aws::{Fault, Trouble};
use crate::policy::OnLoss;

/// A subscription that says nothing for so long is made anew.
const SILENCE_MOST: Duration = Duration::from_secs(60);
/// Growth of the pauses between looks at whether a consumer is registered.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// What is pushed may have been made so long before it was waited for.
const ON_THE_WAY_NS: i64 = 2_000_000_000;
/// What comes later than this was not there when it was asked for.
const WAITED_LEAST: Duration = Duration::from_millis(20);

/// Reads a shard to its end.
pub(super) async fn read(mut reader: Reader) {
    let Some(fan_out) = reader.hands.config.fan_out.clone() else {
        return;
    };
    let mut due = Instant::now();
    loop {
        reader.job.inbox.room().await;
        tokio::time::sleep_until(due).await;
        let since = Instant::now();
        match subscribe(&mut reader, &fan_out).await {
            Ok(true) => return,
            Ok(false) => {
                reader.backoff.reset();
                due = since + fan_out.again_wait;
            }
            Err(trouble) => {
                let (is_lost, goes_on) = reader.lose(&trouble);
                if !goes_on {
                    return;
                }
                if !is_lost {
                    reader.pause(&trouble).await;
                }
                due = since + fan_out.again_wait;
            }
        }
    }
}

/// Reads one subscription; answers whether the shard is at its end.
async fn subscribe(reader: &mut Reader, fan_out: &FanOut) -> Result<bool, Trouble> {
    let consumer = Arc::clone(&reader.hands.consumer);
    let arn = consumer
        .get_or_try_init(|| register(reader, fan_out))
        .await?;
    let position = position(&reader.place).map_err(|text| Trouble {
        fault: Fault::Passing,
        text,
    })?;
    let answer = reader
        .client
        .subscribe_to_shard()
        .consumer_arn(arn)
        .shard_id(&*reader.job.shard)
        .starting_position(position)
        .send()
        .await
        .map_err(|error| Trouble::of("SubscribeToShard", &error))?;
    let mut events = answer.event_stream;
    let look_every = reader.hands.config.refresh_every.min(SILENCE_MOST);
    let (mut heard_at, mut look_at) = (Instant::now(), Instant::now() + look_every);
    loop {
        reader.job.inbox.room().await;
        if Instant::now() >= look_at {
            look_at = Instant::now() + look_every;
            // That a shard is at its end is told with its children; where it is not, it is seen so.
            if poll::is_over(reader).await.is_ok_and(|is_over| is_over) {
                reader.put_records(Vec::new(), None, true);
                return Ok(true);
            }
        }
        let (since, since_ns) = (Instant::now(), reader.now_ns());
        let Ok(event) = tokio::time::timeout(look_every, events.recv()).await else {
            if heard_at.elapsed() >= SILENCE_MOST {
                return Ok(false);
            }
            continue;
        };
        heard_at = Instant::now();
        match event.map_err(|error| Trouble::of("SubscribeToShard", &error))? {
            Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) => {
                reader.backoff.reset();
                // One that was there at once may have been there for long.
                let was_waited_for = since.elapsed() >= WAITED_LEAST;
                if let Some(why) = poll::gap(reader, &event.records).await? {
                    let goes_on = reader.lost(why);
                    if reader.hands.config.on_loss != OnLoss::Oldest {
                        // Anew from where it is now, or not at all.
                        return Ok(!goes_on);
                    }
                }
                if take(reader, event, since_ns, was_waited_for) {
                    return Ok(true);
                }
            }
            Some(_) => {}
            None => return Ok(false),
        }
    }
}

/// Hands on what was pushed; answers whether the shard is at its end.
fn take(
    reader: &mut Reader,
    event: SubscribeToShardEvent,
    since_ns: i64,
    was_waited_for: bool,
) -> bool {
    let last = event.records.last().and_then(arrival_ns);
    let as_of_ns = since_ns.saturating_sub(ON_THE_WAY_NS);
    reader.know(last, as_of_ns, event.millis_behind_latest);
    let is_closed = event.child_shards.is_some_and(|shards| !shards.is_empty());
    let is_at_end = event.millis_behind_latest == 0 && was_waited_for;
    let at_end_ns = is_at_end.then_some(as_of_ns);
    reader.put_records(event.records, at_end_ns, is_closed);
    if is_sequence(&event.continuation_sequence_number) {
        reader.place = Place::After(event.continuation_sequence_number.into());
    }
    is_closed
}

fn position(place: &Place) -> Result<StartingPosition, String> {
    let position = StartingPosition::builder();
    let position = match place {
        Place::Oldest => position.r#type(ShardIteratorType::TrimHorizon),
        Place::Time(ms) => position
            .r#type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(*ms)),
        Place::At(sequence) => position
            .r#type(ShardIteratorType::AtSequenceNumber)
            .sequence_number(&**sequence),
        Place::After(sequence) => position
            .r#type(ShardIteratorType::AfterSequenceNumber)
            .sequence_number(&**sequence),
        Place::Ended => position.r#type(ShardIteratorType::Latest),
    };
    position.build().map_err(|error| error.to_string())
}

/// Registers the consumer if it is not, and waits until it may be used; answers its ARN.
async fn register(reader: &Reader, fan_out: &FanOut) -> Result<String, Trouble> {
    let stream = reader.hands.config.stream.to_arn().unwrap_or_default();
    let mut pause = Duration::ZERO;
    let mut seen = "it is not there".to_owned();
    for _ in 0..fan_out.looks_max.max(1) {
        let answer = reader
            .client
            .describe_stream_consumer()
            .stream_arn(&stream)
            .consumer_name(&fan_out.consumer)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                if let Some(about) = answer.consumer_description() {
                    if *about.consumer_status() == ConsumerStatus::Active {
                        return Ok(about.consumer_arn().to_owned());
                    }
                    seen = format!("it is {}", about.consumer_status());
                }
            }
            Err(error) => {
                let trouble = Trouble::of("DescribeStreamConsumer", &error);
                if trouble.fault != Fault::NotFound {
                    return Err(trouble);
                }
                let registered = reader
                    .client
                    .register_stream_consumer()
                    .stream_arn(&stream)
                    .consumer_name(&fan_out.consumer)
                    .send()
                    .await;
                if let Err(error) = registered {
                    let trouble = Trouble::of("RegisterStreamConsumer", &error);
                    // Another process may be doing it too.
                    if trouble.fault != Fault::InUse {
                        return Err(trouble);
                    }
                }
            }
        }
        pause += LOOK_PAUSE;
        tokio::time::sleep(pause).await;
    }
    let consumer = &fan_out.consumer;
    Err(Trouble {
        fault: Fault::Passing,
        text: format!("consumer {consumer} cannot be used yet: {seen}"),
    })
}
