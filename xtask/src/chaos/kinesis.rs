//! A stream of Kinesis as whoever fills it sees it: seven calls of its protocol, to a server on this machine.
//!
//! A partition of ours is a range of hash keys, in which each record has one by chance. So shards can be split and
//! merged under it, and records of a partition come in order only within a shard; see [`DISORDER_MS`].

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::fault::Reshard;
use super::rng::Rng;

/// How much later than others a line may be put: less than elsewhere, since a shard may have lines of several
/// partitions, put one after the other.
pub(crate) const DISORDER_MS: u64 = 600;
/// Longest wait for an answer, and for a stream to become what it is to be.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Most shards that are open at a time.
const SHARDS_MAX: usize = 8;

/// A stream that nobody else fills.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    port: u16,
    name: String,
    n_partitions: u64,
}

/// A shard that takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shard {
    id: String,
    from: u128,
    to: u128,
}

impl Stream {
    /// Makes a stream with a shard for each partition.
    pub(crate) fn create(port: u16, name: String, n_partitions: u64) -> Result<Self> {
        let stream = Self {
            port,
            name,
            n_partitions,
        };
        stream.call("CreateStream", json!({ "ShardCount": n_partitions }))?;
        stream.settle()?;
        Ok(stream)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until it can be changed.
    fn settle(&self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.call("DescribeStreamSummary", json!({}))?;
            if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the stream does not become active: {answer}");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Puts lines of a partition, in this order.
    pub(crate) fn put(&self, partition: u64, lines: &[String], rng: &mut Rng) -> Result<()> {
        let mut left: Vec<Value> = lines
            .iter()
            .map(|line| {
                json!({
                    "Data": base64(line.as_bytes()),
                    "PartitionKey": "chaos",
                    "ExplicitHashKey": hash_key(partition, self.n_partitions, rng).to_string(),
                })
            })
            .collect();
        let until = Instant::now() + PATIENCE;
        while !left.is_empty() {
            let answer = self.call("PutRecords", json!({ "Records": left }))?;
            let records = answer["Records"].as_array().context("no records")?;
            if records.len() != left.len() {
                bail!("{} records of {} are answered", records.len(), left.len());
            }
            let mut answers = records.iter();
            left.retain(|_| {
                answers
                    .next()
                    .is_some_and(|one| !one["ErrorCode"].is_null())
            });
            // One that is only slow makes lines late, and that is seen.
            if !left.is_empty() && Instant::now() > until {
                bail!("{} records are not taken: {answer}", left.len());
            }
        }
        Ok(())
    }

    /// Shards that take records, in the order of their hash keys.
    fn shards(&self) -> Result<Vec<Shard>> {
        let answer = self.call("ListShards", json!({}))?;
        if !answer["NextToken"].is_null() {
            bail!("more shards than one answer has");
        }
        let mut shards = Vec::new();
        for shard in answer["Shards"].as_array().context("no shards")? {
            if !shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null() {
                continue;
            }
            let key = |name: &str| -> Result<u128> {
                let text = shard["HashKeyRange"][name].as_str();
                Ok(text.context("a shard without keys")?.parse()?)
            };
            shards.push(Shard {
                id: shard["ShardId"].as_str().context("no id")?.to_owned(),
                from: key("StartingHashKey")?,
                to: key("EndingHashKey")?,
            });
        }
        shards.sort_by_key(|shard| shard.from);
        Ok(shards)
    }

    /// Splits a shard in the middle or merges two. Answers whether it could be done.
    pub(crate) fn reshard(&self, how: Reshard) -> Result<bool> {
        self.settle()?;
        let shards = self.shards()?;
        let (call, body) = match how {
            Reshard::Split(which) => {
                let at = which as usize % shards.len().max(1);
                let Some(shard) = shards.get(at).filter(|_| shards.len() < SHARDS_MAX) else {
                    return Ok(false);
                };
                let middle = shard.from + (shard.to - shard.from) / 2 + 1;
                let body =
                    json!({ "ShardToSplit": shard.id, "NewStartingHashKey": middle.to_string() });
                ("SplitShard", body)
            }
            Reshard::Merge(which) => {
                let n_pairs = shards.len().saturating_sub(1);
                let at = which as usize % n_pairs.max(1);
                let (Some(one), Some(other)) = (shards.get(at), shards.get(at + 1)) else {
                    return Ok(false);
                };
                let body = json!({ "ShardToMerge": one.id, "AdjacentShardToMerge": other.id });
                ("MergeShards", body)
            }
        };
        self.call(call, body)?;
        Ok(true)
    }

    pub(crate) fn delete(&self) -> Result<()> {
        self.call("DeleteStream", json!({})).map(drop)
    }

    /// One request and its answer.
    fn call(&self, name: &str, mut body: Value) -> Result<Value> {
        body["StreamName"] = json!(self.name);
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
             X-Amz-Target: Kinesis_20131202.{name}\r\nX-Amz-Date: 20260101T000000Z\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential=chaos/20260101/us-east-1/kinesis/aws4_request, \
             SignedHeaders=host, Signature=0\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context(name.to_owned())?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").context("half an answer")?;
        let head = head.to_ascii_lowercase();
        let is_good = head.starts_with("http/1.1 200") || head.starts_with("http/1.0 200");
        if !is_good {
            bail!("{name}: {answer}");
        }
        let body = match head.contains("transfer-encoding: chunked") {
            true => unchunked(body)?,
            false => body.to_owned(),
        };
        if body.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body).with_context(|| format!("{name}: {body}"))
    }
}

/// A key by chance in the range of a partition.
fn hash_key(partition: u64, n_partitions: u64, rng: &mut Rng) -> u128 {
    let width = u128::MAX / u128::from(n_partitions.max(1));
    let number = (u128::from(rng.next()) << 64) | u128::from(rng.next());
    u128::from(partition) * width + number % width
}

/// A body that came in pieces, each with its length in hexadecimal before it.
fn unchunked(body: &str) -> Result<String> {
    let (mut whole, mut left) = (String::new(), body);
    loop {
        let (length, rest) = left.split_once("\r\n").context("a piece without length")?;
        let length = usize::from_str_radix(length.trim(), 16).context("length of a piece")?;
        if length == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..length).context("half a piece")?);
        left = rest.get(length..).unwrap_or_default().trim_start();
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for piece in bytes.chunks(3) {
        let byte = |at: usize| piece.get(at).copied().map_or(0, u32::from);
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at > piece.len() {
                '='
            } else {
                char::from(letter)
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_letters_of_base64() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }

    #[test]
    fn pieces_make_one_body() {
        let body = "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n";
        assert_eq!(unchunked(body).unwrap(), "{\"a\":1}");
        assert!(unchunked("9\r\nshort").is_err());
    }

    #[test]
    fn partitions_have_keys_of_their_own() {
        let mut rng = Rng::new(1, 1);
        let width = u128::MAX / 3;
        for partition in 0..3 {
            for _ in 0..100 {
                let key = hash_key(partition, 3, &mut rng);
                assert_eq!(key / width, u128::from(partition));
            }
        }
    }
}
