//! Four requests of the Kafka protocol: make and delete topics, append records, ask where a partition ends.
//!
//! One connection, one request at a time. Whoever appends knows after every failure whether the records are in the log,
//! for nobody else appends: [`Topic::append`] asks where the partition ends. That is what makes the truth exact over
//! crashes of the broker, without transactions and without a library that has to be built.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// Longest wait for an answer. A broker that comes back takes long for its first ones.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// Pause between attempts.
const PAUSE: Duration = Duration::from_millis(200);
/// Largest answer that is believed.
const ANSWER_BYTES_MAX: usize = 1 << 20;

const PRODUCE: (i16, i16) = (0, 3);
const LIST_OFFSETS: (i16, i16) = (2, 1);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const DELETE_TOPICS: (i16, i16) = (20, 1);

/// A connection that is made when it is needed.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
    n_calls: i32,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            stream: None,
            n_calls: 0,
        }
    }

    /// One request and its answer, without the heads of both.
    fn call(&mut self, (key, version): (i16, i16), body: &Bytes) -> Result<Answer> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(self.address)?,
        };
        self.n_calls += 1;
        let mut head = Bytes::default();
        head.int16(key);
        head.int16(version);
        head.int32(self.n_calls);
        head.text("chaos");
        let mut request = Bytes::default();
        request.int32((head.0.len() + body.0.len()) as i32);
        request.0.extend(&head.0);
        request.0.extend(&body.0);
        stream.write_all(&request.0)?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        if length > ANSWER_BYTES_MAX {
            bail!("an answer of {length} bytes");
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        let mut answer = Answer(bytes, 0);
        if answer.int32()? != self.n_calls {
            bail!("an answer to something else");
        }
        // Whatever failed before leaves the connection behind.
        self.stream = Some(stream);
        Ok(answer)
    }

    /// Makes a topic. One that is there is fine: the answer to an earlier attempt may have been lost.
    pub(crate) fn create_topic(&mut self, name: &str, n_partitions: i32) -> Result<()> {
        let mut body = Bytes::default();
        body.int32(1);
        body.text(name);
        body.int32(n_partitions);
        body.int16(1);
        body.int32(0);
        body.int32(0);
        body.int32(20_000);
        body.0.push(0);
        let mut answer = self.call(CREATE_TOPICS, &body)?;
        answer.skip(4 + 4)?;
        answer.skip_text()?;
        match answer.int16()? {
            0 | 36 => Ok(()),
            code => Err(refused("create a topic", code)),
        }
    }

    /// Deletes topics. The answer to each of them matters to nobody.
    pub(crate) fn delete_topics(&mut self, names: &[String]) -> Result<()> {
        let mut body = Bytes::default();
        body.int32(i32::try_from(names.len())?);
        for name in names {
            body.text(name);
        }
        body.int32(20_000);
        self.call(DELETE_TOPICS, &body).map(drop)
    }

    fn end_of(&mut self, topic: &str, partition: i32) -> Result<i64> {
        let mut body = Bytes::default();
        body.int32(-1);
        body.int32(1);
        body.text(topic);
        body.int32(1);
        body.int32(partition);
        body.int64(-1);
        let mut answer = self.call(LIST_OFFSETS, &body)?;
        answer.skip(4)?;
        answer.skip_text()?;
        answer.skip(4 + 4)?;
        match answer.int16()? {
            0 => {}
            code => return Err(refused("ask for the end", code)),
        }
        answer.skip(8)?;
        answer.int64()
    }

    fn produce(&mut self, topic: &str, partition: i32, batch: &[u8]) -> Result<()> {
        let mut body = Bytes::default();
        body.int16(-1);
        // All replicas, of which there is one.
        body.int16(-1);
        body.int32(20_000);
        body.int32(1);
        body.text(topic);
        body.int32(1);
        body.int32(partition);
        body.int32(batch.len() as i32);
        body.0.extend(batch);
        let mut answer = self.call(PRODUCE, &body)?;
        answer.skip(4)?;
        answer.skip_text()?;
        answer.skip(4 + 4)?;
        match answer.int16()? {
            0 => Ok(()),
            code => Err(refused("append", code)),
        }
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    stream.set_write_timeout(Some(ANSWER_WAIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn refused(what: &str, code: i16) -> anyhow::Error {
    anyhow!("the broker refuses to {what}: error {code}")
}

/// A partition of a topic that nobody else appends to.
#[derive(Debug)]
pub(crate) struct Topic {
    client: Client,
    name: String,
    partition: i32,
    n_records: i64,
}

impl Topic {
    /// A partition that has nothing yet.
    pub(crate) fn new(address: SocketAddr, name: &str, partition: i32) -> Self {
        Self {
            client: Client::new(address),
            name: name.to_owned(),
            partition,
            n_records: 0,
        }
    }

    /// Appends lines, all or none, and answers which. Waits as long as the broker is away.
    pub(crate) fn append(
        &mut self,
        lines: &[String],
        now_ms: i64,
        mut is_over: impl FnMut() -> bool,
    ) -> Result<bool> {
        let n_lines = lines.len() as i64;
        let batch = batch(lines, now_ms);
        if self
            .client
            .produce(&self.name, self.partition, &batch)
            .is_ok()
        {
            self.n_records += n_lines;
            return Ok(true);
        }
        // A broker that comes back may name an older end for a moment.
        let mut before = None;
        loop {
            if is_over() {
                bail!("the broker does not come back");
            }
            std::thread::sleep(PAUSE);
            let end = self.client.end_of(&self.name, self.partition).ok();
            let is_settled = end.is_some() && end == before;
            before = end;
            if let (true, Some(end)) = (is_settled, end) {
                return match end - self.n_records {
                    0 => Ok(false),
                    n if n == n_lines => {
                        self.n_records += n;
                        Ok(true)
                    }
                    _ => bail!(
                        "{}/{} ends at {end}; {} or {n_lines} more were expected",
                        self.name,
                        self.partition,
                        self.n_records
                    ),
                };
            }
        }
    }
}

/// Records as the log keeps them (version 2 of the form).
fn batch(lines: &[String], now_ms: i64) -> Vec<u8> {
    let mut rest = Bytes::default();
    // No compression, time by who writes it.
    rest.int16(0);
    rest.int32(lines.len() as i32 - 1);
    rest.int64(now_ms);
    rest.int64(now_ms);
    // Nobody who could be told from others.
    rest.int64(-1);
    rest.int16(-1);
    rest.int32(-1);
    rest.int32(lines.len() as i32);
    for (n, line) in lines.iter().enumerate() {
        let mut record = Bytes::default();
        record.0.push(0);
        record.varint(0);
        record.varint(n as i64);
        record.varint(-1);
        record.varint(line.len() as i64);
        record.0.extend(line.as_bytes());
        record.varint(0);
        rest.varint(record.0.len() as i64);
        rest.0.extend(record.0);
    }
    let mut batch = Bytes::default();
    batch.int64(0);
    batch.int32((4 + 1 + 4 + rest.0.len()) as i32);
    batch.int32(-1);
    batch.0.push(2);
    batch.0.extend(crc32c(&rest.0).to_be_bytes());
    batch.0.extend(rest.0);
    batch.0
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// A request that is being written.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn int16(&mut self, n: i16) {
        self.0.extend(n.to_be_bytes());
    }

    fn int32(&mut self, n: i32) {
        self.0.extend(n.to_be_bytes());
    }

    fn int64(&mut self, n: i64) {
        self.0.extend(n.to_be_bytes());
    }

    fn text(&mut self, text: &str) {
        self.int16(text.len() as i16);
        self.0.extend(text.as_bytes());
    }

    /// Seven bits a byte, low ones first, the sign in the lowest.
    fn varint(&mut self, n: i64) {
        let mut left = ((n << 1) ^ (n >> 63)) as u64;
        while left > 0x7f {
            self.0.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
    }
}

/// An answer, and how far it was read.
#[derive(Debug)]
struct Answer(Vec<u8>, usize);

impl Answer {
    fn skip(&mut self, n: usize) -> Result<&[u8]> {
        let from = self.1;
        self.1 += n;
        self.0
            .get(from..self.1)
            .context("an answer that ends early")
    }

    fn skip_text(&mut self) -> Result<()> {
        let length = self.int16()?.max(0);
        self.skip(usize::try_from(length)?)?;
        Ok(())
    }

    fn int16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.skip(2)?.try_into()?))
    }

    fn int32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.skip(4)?.try_into()?))
    }

    fn int64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.skip(8)?.try_into()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standard() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn numbers_take_as_many_bytes_as_they_need() {
        for (n, expected) in [
            (0, &[0][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (64, &[128, 1]),
            (-65, &[129, 1]),
            (300, &[216, 4]),
        ] {
            let mut bytes = Bytes::default();
            bytes.varint(n);
            assert_eq!(bytes.0, expected, "{n}");
        }
    }

    #[test]
    fn a_batch_says_how_long_it_is() {
        let lines = ["one".to_owned(), "two".to_owned()];
        let batch = batch(&lines, 5);
        let length = i32::from_be_bytes(batch[8..12].try_into().unwrap());
        assert_eq!(length as usize, batch.len() - 12);
        let crc = u32::from_be_bytes(batch[17..21].try_into().unwrap());
        assert_eq!(crc, crc32c(&batch[21..]));
        assert!(batch.ends_with(&[18, 0, 0, 2, 1, 6, b't', b'w', b'o', 0]));
    }
}
