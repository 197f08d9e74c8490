//! Pages unpacked, never to more bytes than they say and the limits allow.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;

/// Unpacks `packed` to the end of `out`, which must grow by exactly `len` bytes.
///
/// # Errors
/// Bytes that are not of this codec, or of another length; a codec that is not read.
pub(super) fn unpack(
    codec: Compression,
    packed: &[u8],
    len: usize,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let start = out.len();
    match codec {
        Compression::UNCOMPRESSED => out.extend_from_slice(packed),
        Compression::SNAPPY => {
            if snap::raw::decompress_len(packed)? != len {
                return Err(other("a page is not as long as it says"));
            }
            out.resize(start + len, 0);
            snap::raw::Decoder::new().decompress(packed, &mut out[start..])?;
        }
        Compression::LZ4_RAW => {
            out.resize(start + len, 0);
            let n = lz4_flex::block::decompress_into(packed, &mut out[start..])
                .map_err(|error| other(&error.to_string()))?;
            out.truncate(start + n);
        }
        Compression::GZIP(_) => {
            // One byte more than is right, to see that there is one.
            MultiGzDecoder::new(packed)
                .take(len as u64 + 1)
                .read_to_end(out)?;
        }
        Compression::ZSTD(_) => {
            out.resize(start + len, 0);
            let n = zstd::bulk::decompress_to_buffer(packed, &mut out[start..])?;
            out.truncate(start + n);
        }
        codec => {
            return Err(other(&format!(
                "codec {codec} is not read; none, snappy, gzip, lz4 (raw) and zstd are"
            )));
        }
    }
    if out.len() - start == len {
        Ok(())
    } else {
        Err(other("a page is not as long as it says"))
    }
}

fn other(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use parquet::basic::{GzipLevel, ZstdLevel};

    use super::*;

    #[test]
    fn a_page_longer_than_it_says_is_an_error_and_costs_no_more_than_it_says() {
        let bomb = vec![0u8; 1 << 20];
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&bomb).unwrap();
        let packed = [
            (
                Compression::GZIP(GzipLevel::default()),
                gzip.finish().unwrap(),
            ),
            (
                Compression::ZSTD(ZstdLevel::default()),
                zstd::encode_all(&bomb[..], 3).unwrap(),
            ),
            (Compression::LZ4_RAW, lz4_flex::block::compress(&bomb)),
            (
                Compression::SNAPPY,
                snap::raw::Encoder::new().compress_vec(&bomb).unwrap(),
            ),
            (Compression::UNCOMPRESSED, bomb.clone()),
        ];
        for (codec, packed) in packed {
            let mut out = vec![1];
            unpack(codec, &packed, bomb.len(), &mut out).unwrap();
            assert!(out[0] == 1 && out[1..] == bomb[..], "{codec}");
            for len in [bomb.len() - 1, bomb.len() + 1, 1_000] {
                let mut out = Vec::new();
                assert!(
                    unpack(codec, &packed, len, &mut out).is_err(),
                    "{codec} {len}"
                );
                assert!(out.capacity() <= 2 << 20, "{codec}: {}", out.capacity());
            }
        }
    }

    #[test]
    fn a_codec_that_is_not_read_says_which() {
        let error = unpack(Compression::LZO, b"", 0, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("LZO"), "{error}");
    }
}
