//! A whole data set: in memory, or in files with their manifest beside them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use crate::generator::Generator;
use crate::geo::{asn_database, city_database};
use crate::manifest::{FileEntry, Manifest};
use crate::options::{Options, OptionsError};

/// Why a data set could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The options are out of range.
    #[error("options cannot be honoured")]
    Options(#[from] OptionsError),
    /// A file could not be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A data set held in memory.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The bytes of each partition.
    pub parts: Vec<Vec<u8>>,
    /// What they are.
    pub manifest: Manifest,
}

impl Dataset {
    /// Makes a data set; its files are named `part-0`, `part-1` and so on.
    ///
    /// # Errors
    /// Options that are out of range.
    pub fn in_memory(options: &Options) -> Result<Dataset, DatasetError> {
        let count = options.partitions;
        let mut sinks: Vec<Part<Vec<u8>>> = (0..count)
            .map(|n| Part::new(PathBuf::from(format!("part-{n}")), Vec::new()))
            .collect();
        let manifest = fill(options, &mut sinks)?;
        Ok(Dataset {
            parts: sinks.into_iter().map(|part| part.out).collect(),
            manifest,
        })
    }
}

/// Writes the files of a data set and its manifest, `<path>.manifest.json`; with `gzip`, a
/// compressed copy of each file as well.
///
/// # Errors
/// Options out of range, and files that cannot be written.
pub fn write_dataset(options: &Options, path: &Path, gzip: bool) -> Result<Manifest, DatasetError> {
    options.check()?;
    let mut parts = Vec::new();
    for n in 0..options.partitions {
        let path = part_path(path, n, options.partitions);
        let file = create(&path)?;
        let packed = if gzip {
            let copy = with_suffix(&path, ".gz");
            Some(GzEncoder::new(create(&copy)?, Compression::best()))
        } else {
            None
        };
        parts.push(Part::new(path, Copies { file, packed }));
    }
    let manifest = fill(options, &mut parts)?;
    for part in parts {
        let Part { path, out, .. } = part;
        out.finish()
            .map_err(|source| DatasetError::Write { path, source })?;
    }
    let path = with_suffix(path, ".manifest.json");
    std::fs::write(&path, manifest.to_json())
        .map_err(|source| DatasetError::Write { path, source })?;
    Ok(manifest)
}

/// Writes the lines of all partitions, in order of arrival, to one place.
///
/// # Errors
/// Options out of range, and what the place says.
pub fn write_lines(options: &Options, out: &mut dyn Write) -> Result<(), DatasetError> {
    let failed = |source| DatasetError::Write {
        path: PathBuf::from("standard output"),
        source,
    };
    for line in Generator::new(options)? {
        writeln!(out, "{}", line.text).map_err(failed)?;
    }
    out.flush().map_err(failed)
}

/// Writes the two small GeoIP databases into a folder, under the names that CrowdSec looks for.
///
/// # Errors
/// Files that cannot be written.
pub fn write_geo(folder: &Path) -> Result<(), DatasetError> {
    for (name, bytes) in [
        ("GeoLite2-City.mmdb", city_database()),
        ("GeoLite2-ASN.mmdb", asn_database()),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|source| DatasetError::Write { path, source })?;
    }
    Ok(())
}

/// The file of one partition: `access.log` alone, `access.0.log`, `access.1.log` and so on.
#[must_use]
pub fn part_path(path: &Path, n: u64, partitions: u64) -> PathBuf {
    if partitions == 1 {
        return path.to_owned();
    }
    match path.extension() {
        None => with_suffix(path, &format!(".{n}")),
        Some(extension) => path.with_extension(format!("{n}.{}", extension.to_string_lossy())),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn create(path: &Path) -> Result<BufWriter<File>, DatasetError> {
    match File::create(path) {
        Ok(file) => Ok(BufWriter::with_capacity(1 << 18, file)),
        Err(source) => Err(DatasetError::Write {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A file, and its compressed copy if there is one.
struct Copies {
    file: BufWriter<File>,
    packed: Option<GzEncoder<BufWriter<File>>>,
}

impl Write for Copies {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        if let Some(packed) = &mut self.packed {
            packed.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Copies {
    fn finish(mut self) -> io::Result<()> {
        self.file.flush()?;
        match self.packed {
            None => Ok(()),
            Some(packed) => packed.finish()?.flush(),
        }
    }
}

/// One partition on its way out.
struct Part<W> {
    path: PathBuf,
    out: W,
    lines: u64,
    bytes: u64,
    sha256: Sha256,
}

impl<W: Write> Part<W> {
    fn new(path: PathBuf, out: W) -> Part<W> {
        Part {
            path,
            out,
            lines: 0,
            bytes: 0,
            sha256: Sha256::new(),
        }
    }

    fn take(&mut self, line: &str) -> Result<(), DatasetError> {
        for piece in [line.as_bytes(), b"\n"] {
            self.sha256.update(piece);
            self.bytes += piece.len() as u64;
            self.out
                .write_all(piece)
                .map_err(|source| DatasetError::Write {
                    path: self.path.clone(),
                    source,
                })?;
        }
        self.lines += 1;
        Ok(())
    }

    fn entry(&self) -> FileEntry {
        let name = self
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let digest = self.sha256.clone().finalize();
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        FileEntry {
            name,
            lines: self.lines,
            bytes: self.bytes,
            sha256,
        }
    }
}

fn fill<W: Write>(options: &Options, parts: &mut [Part<W>]) -> Result<Manifest, DatasetError> {
    let mut generator = Generator::new(options)?;
    let mut span = (i64::MAX, i64::MIN);
    for line in generator.by_ref() {
        span = (span.0.min(line.time_us), span.1.max(line.time_us));
        if let Some(part) = parts.get_mut(line.partition) {
            part.take(&line.text)?;
        }
    }
    let files = parts.iter().map(Part::entry).collect();
    Ok(Manifest::new(options, span, files, generator.campaigns()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_put_their_number_before_the_extension() {
        let path = Path::new("out/access.log");
        assert_eq!(part_path(path, 0, 1), path);
        assert_eq!(part_path(path, 2, 3), Path::new("out/access.2.log"));
        assert_eq!(
            part_path(Path::new("out/access"), 2, 3),
            Path::new("out/access.2")
        );
    }
}
