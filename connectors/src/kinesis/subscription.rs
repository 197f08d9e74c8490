//! Records that a subscription of CloudWatch Logs sends: packed JSON with some lines of one log stream.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Most bytes that a record may unpack to.
pub(super) const UNPACKED_BYTES_MAX: usize = 32 << 20;
/// How a packed text begins.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Lines of one log stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    message_type: String,
    #[serde(default)]
    pub(super) owner: String,
    #[serde(default)]
    pub(super) log_group: String,
    #[serde(default)]
    pub(super) log_stream: String,
    #[serde(default)]
    pub(super) log_events: Vec<LogEvent>,
}

/// A line. It has an id and a time as well, which are not looked at: the id is a text or a number, depending on
/// who sends it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct LogEvent {
    pub(super) message: String,
}

/// What is in a record: gzip, also several pieces of it, or that in base64, or not packed at all. Messages that
/// only say that the subscription works are left out.
///
/// # Errors
/// When it is none of that, or too large.
pub(super) fn read(record: &[u8]) -> Result<Vec<Payload>, String> {
    let decoded;
    let packed = if record.starts_with(&GZIP) || record.first() == Some(&b'{') {
        record
    } else {
        decoded = base64(record).ok_or("neither gzip nor base64 of it")?;
        &decoded
    };
    let mut unpacked = Vec::new();
    let json = if packed.starts_with(&GZIP) {
        let limit = u64::try_from(UNPACKED_BYTES_MAX + 1).unwrap_or(u64::MAX);
        MultiGzDecoder::new(packed)
            .take(limit)
            .read_to_end(&mut unpacked)
            .map_err(|error| format!("not gzip: {error}"))?;
        unpacked.as_slice()
    } else {
        packed
    };
    if json.len() > UNPACKED_BYTES_MAX {
        return Err(format!(
            "unpacked it has more than {UNPACKED_BYTES_MAX} bytes"
        ));
    }
    let mut payloads = Vec::new();
    for payload in serde_json::Deserializer::from_slice(json).into_iter::<Payload>() {
        let payload = payload.map_err(|error| format!("not what a subscription sends: {error}"))?;
        match payload.message_type.as_str() {
            "DATA_MESSAGE" => payloads.push(payload),
            "CONTROL_MESSAGE" => {}
            other => return Err(format!("a message of type {other:?}")),
        }
    }
    Ok(payloads)
}

/// Bytes of a text in base64, with or without `=` at its end.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut n_bits) = (0_u32, 0);
    let text = text.trim_ascii();
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    for letter in text {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.extend(u8::try_from((bits >> n_bits) & 0xFF));
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(text.as_bytes()).unwrap();
        writer.finish().unwrap()
    }

    fn to_base64(bytes: &[u8]) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let three = [
                chunk[0],
                *chunk.get(1).unwrap_or(&0),
                *chunk.get(2).unwrap_or(&0),
            ];
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for n in 0..4 {
                let letter = letters[(bits >> (18 - 6 * n)) as usize & 63] as char;
                text.push(if n <= chunk.len() { letter } else { '=' });
            }
        }
        text
    }

    fn data(stream: &str, messages: &[&str]) -> String {
        let events: Vec<String> = (messages.iter().enumerate())
            .map(|(n, message)| {
                format!(r#"{{"id":{n},"timestamp":17,"message":{message:?},"x":[]}}"#)
            })
            .collect();
        format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"{stream}",
                "subscriptionFilters":["f"],"logEvents":[{}]}}"#,
            events.join(",")
        )
    }

    fn messages(record: &[u8]) -> Vec<(String, String)> {
        let of = |payload: Payload| {
            let stream = payload.log_stream;
            let events = payload.log_events.into_iter();
            events.map(move |event| (stream.clone(), event.message))
        };
        read(record).unwrap().into_iter().flat_map(of).collect()
    }

    #[test]
    fn lines_come_out_of_every_form_that_a_record_may_have() {
        let (one, two) = (data("s", &["a", "é\n"]), data("t", &["b"]));
        let of = |stream: &str, text: &str| (stream.to_owned(), text.to_owned());
        let expected = [of("s", "a"), of("s", "é\n")];
        let packed = gzip(&one);
        assert_eq!(messages(&packed), expected);
        assert_eq!(messages(one.as_bytes()), expected);
        assert_eq!(messages(to_base64(&packed).as_bytes()), expected);
        assert_eq!(
            messages(format!("{}\n", to_base64(&packed)).as_bytes()),
            expected
        );
        let both = [gzip(&one), gzip(&two)].concat();
        assert_eq!(messages(&both).last(), Some(&of("t", "b")));
        let with_id = r#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"365","message":"m"}]}"#;
        assert_eq!(messages(with_id.as_bytes()), [of("", "m")]);
        let control = r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"health"}]}"#;
        assert_eq!(read(&gzip(control)), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_such_record_is_told_and_one_that_unpacks_without_end_is_not_read_on() {
        let mut cut = gzip(&data("s", &["a"]));
        cut.truncate(20);
        let bomb = gzip(&" ".repeat(UNPACKED_BYTES_MAX + 1));
        assert!(bomb.len() < 1 << 20);
        for (record, why) in [
            (&b"Mar 10 sshd"[..], "neither gzip nor base64"),
            (b"QQ==", "not what a subscription sends"),
            (&cut, "not gzip"),
            (&bomb, "more than 33554432 bytes"),
            (&gzip("{}"), "messageType"),
            (&gzip(r#"{"messageType":"OTHER"}"#), "type \"OTHER\""),
            (&gzip(&"[".repeat(100_000)), "not what a subscription sends"),
        ] {
            let error = read(record).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in vec(any::<u8>(), 0..300), text in ".{0,200}") {
            let _read = read(&bytes);
            let _unpacked = read(&gzip(&text));
            prop_assert_eq!(base64(to_base64(&bytes).as_bytes()), Some(bytes));
        }
    }
}
