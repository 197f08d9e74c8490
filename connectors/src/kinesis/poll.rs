//! A shard that is asked for its records.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::ShardIteratorType;
use tokio::time::Instant;

use super::fetch::{Reader, arrival_ns};
use super::place::Place;
use crate::aws::{Fault, Trouble};
use crate::policy::OnLoss;
use crate::source::Count;

/// Reads a shard to its end.
pub(super) async fn read(mut reader: Reader) {
    let mut iterator = None;
    let mut due = Instant::now();
    loop {
        reader.job.inbox.room().await;
        tokio::time::sleep_until(due).await;
        let asked = match iterator.take() {
            Some(iterator) => iterator,
            None => match open(&reader, &reader.place).await {
                Ok(opened) => opened,
                Err(trouble) => {
                    let (is_lost, goes_on) = reader.lose(&trouble);
                    if !goes_on {
                        return;
                    }
                    if !is_lost {
                        reader.pause(&trouble).await;
                    }
                    continue;
                }
            },
        };
        let since = Instant::now();
        match ask(&mut reader, &asked).await {
            Ok(Next::Closed) => return,
            Ok(Next::Anew) => reader.backoff.reset(),
            Ok(Next::At(next, pause)) => {
                reader.backoff.reset();
                iterator = Some(next);
                due = since + pause;
            }
            Err(trouble) => match trouble.fault {
                // From the last record on, at once.
                Fault::Expired => {
                    let text = format!("{}: {}", reader.job.shard, trouble.text);
                    reader.hands.counters.sample(Count::Errors, text);
                }
                Fault::Throttled => {
                    reader.pause(&trouble).await;
                    iterator = Some(asked);
                }
                _ => reader.pause(&trouble).await,
            },
        }
    }
}

/// How to go on.
enum Next {
    /// With this iterator, after this pause.
    At(String, Duration),
    /// With the place where the reader is now.
    Anew,
    /// Not at all.
    Closed,
}

/// An iterator that begins there.
async fn open(reader: &Reader, place: &Place) -> Result<String, Trouble> {
    let stream = &reader.hands.config.stream;
    let ask = reader
        .client
        .get_shard_iterator()
        .set_stream_name(stream.to_name())
        .set_stream_arn(stream.to_arn())
        .shard_id(&*reader.job.shard);
    let ask = match place {
        Place::Oldest => ask.shard_iterator_type(ShardIteratorType::TrimHorizon),
        Place::Time(ms) => ask
            .shard_iterator_type(ShardIteratorType::AtTimestamp)
            .timestamp(DateTime::from_millis(*ms)),
        Place::At(sequence) => ask
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .starting_sequence_number(&**sequence),
        Place::After(sequence) => ask
            .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
            .starting_sequence_number(&**sequence),
        Place::Ended => ask.shard_iterator_type(ShardIteratorType::Latest),
    };
    let answer = ask.send().await;
    let answer = answer.map_err(|error| Trouble::of("GetShardIterator", &error))?;
    answer.shard_iterator.ok_or_else(|| Trouble {
        fault: Fault::Passing,
        text: "GetShardIterator: an answer without one".to_owned(),
    })
}

/// The record at an iterator, if there is one.
async fn get_one(reader: &Reader, iterator: String) -> Result<GetRecordsOutput, Trouble> {
    reader
        .client
        .get_records()
        .shard_iterator(iterator)
        .set_stream_arn(reader.hands.config.stream.to_arn())
        .limit(1)
        .send()
        .await
        .map_err(|error| Trouble::of("GetRecords", &error))
}

/// Whether there is nothing behind what was read, and never will be.
pub(super) async fn is_over(reader: &Reader) -> Result<bool, Trouble> {
    let iterator = open(reader, &reader.read_to).await?;
    let answer = get_one(reader, iterator).await?;
    Ok(answer.records.is_empty() && answer.next_shard_iterator.is_none())
}

/// What is wrong, if records that were not read may be gone that lay between the last one that was read and these.
///
/// Records leave from the oldest on. So if the last one that was read is there, now that these have come, all between
/// them were there, too. If it is not, some of those may have left before they were asked for, and nobody knows.
pub(super) async fn gap(
    reader: &Reader,
    records: &[aws_sdk_kinesis::types::Record],
) -> Result<Option<String>, Trouble> {
    let (Some(last), Some(next)) = (reader.doubtful(), records.first()) else {
        return Ok(None);
    };
    let is_there = match open(reader, &Place::At(Arc::clone(last))).await {
        Ok(iterator) => {
            let answer = get_one(reader, iterator).await?;
            let mut there = answer.records.iter();
            there.any(|record| record.sequence_number == **last)
        }
        Err(trouble) if trouble.fault == Fault::Invalid => false,
        Err(trouble) => return Err(trouble),
    };
    let next = &next.sequence_number;
    Ok((!is_there).then(|| {
        format!(
            "fell behind by more than the stream keeps: record {last} is not there any more, what comes next is \
             {next}, and what was between them may be lost"
        )
    }))
}

async fn ask(reader: &mut Reader, iterator: &str) -> Result<Next, Trouble> {
    let as_of_ns = reader.now_ns();
    let config = &reader.hands.config;
    let (poll_every, busy_every) = (config.poll_every, config.busy_every);
    let answer = reader
        .client
        .get_records()
        .shard_iterator(iterator)
        .set_stream_arn(config.stream.to_arn())
        .send()
        .await
        .map_err(|error| Trouble::of("GetRecords", &error))?;
    let mut pace = 1;
    if reader.doubtful().is_some() {
        // It is asked for twice as much.
        pace = 2;
        if let Some(why) = gap(reader, &answer.records).await? {
            let goes_on = reader.lost(why);
            match reader.hands.config.on_loss {
                // That is what came.
                OnLoss::Oldest => {}
                OnLoss::Newest | OnLoss::Stop => {
                    return Ok(if goes_on { Next::Anew } else { Next::Closed });
                }
            }
        }
    }
    let last = answer.records.last().and_then(arrival_ns);
    if let Some(behind_ms) = answer.millis_behind_latest {
        reader.know(last, as_of_ns, behind_ms);
    }
    let is_at_end = answer.millis_behind_latest == Some(0);
    let pause = if is_at_end && answer.records.is_empty() {
        poll_every
    } else {
        busy_every * pace
    };
    let at_end_ns = is_at_end.then_some(as_of_ns);
    let is_closed = answer.next_shard_iterator.is_none();
    reader.put_records(answer.records, at_end_ns, is_closed);
    Ok(match answer.next_shard_iterator {
        Some(next) => Next::At(next, pause),
        None => Next::Closed,
    })
}
