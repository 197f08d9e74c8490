//! Loading the data files that documents name, and the GeoIP databases.
//!
//! As in CrowdSec nothing about a data file keeps a document from running: what is missing or
//! damaged is a warning, and expressions see an empty file. The first file of a name stays.

use std::collections::HashSet;
use std::sync::Arc;

use overspill_expr::{DataFiles, DataFilesBuilder, DataKind, Geo, Mmdb, Nothing};

use sha2::{Digest, Sha256};

use super::draft::Draft;
use super::nodes::chain;
use crate::data::{DATA_BYTES_MAX, DATABASE_BYTES_MAX, DataSearch, Found};
use crate::diagnostic::{Diagnostic, shown};
use crate::files::{FileError, is_inside};
use crate::item::data::DataItem;
use crate::report::Report;
use crate::yaml::table::{Findings, Text};

/// The names under which CrowdSec looks for its databases.
const CITY: &str = "GeoLite2-City.mmdb";
const ASN: &str = "GeoLite2-ASN.mmdb";

/// Files up to this size are in the fingerprint as a whole; of larger ones, which are databases, both ends are.
const DIGESTED_WHOLE: usize = 4 << 20;
const DIGESTED_END: usize = 64 << 10;

fn digest(into: &mut Sha256, name: &str, bytes: &[u8]) {
    for part in [name.as_bytes(), bytes] {
        into.update((part.len() as u64).to_le_bytes());
    }
    into.update(name);
    if bytes.len() <= DIGESTED_WHOLE {
        into.update(bytes);
    } else {
        into.update(&bytes[..DIGESTED_END]);
        into.update(&bytes[bytes.len() - DIGESTED_END..]);
    }
}

/// What was loaded.
pub(super) struct Loaded {
    pub(super) files: Arc<DataFiles>,
    pub(super) geo: Arc<dyn Geo>,
    /// Fingerprint of what was read.
    pub(super) digest: [u8; 32],
}

/// Data files while documents are gone through.
pub(super) struct Loading<'c> {
    search: &'c DataSearch,
    builder: DataFilesBuilder,
    seen: HashSet<(Arc<str>, Option<Arc<str>>)>,
    city: Option<Found>,
    asn: Option<Found>,
    n_missing: usize,
    findings: Vec<Diagnostic>,
    digest: Sha256,
}

impl<'c> Loading<'c> {
    /// Begins with the databases of the data directories: those need no document that names them.
    pub(super) fn new(search: &'c DataSearch) -> Self {
        let mut loading = Self {
            search,
            builder: DataFiles::builder(),
            seen: HashSet::new(),
            city: None,
            asn: None,
            n_missing: 0,
            findings: Vec::new(),
            digest: Sha256::new(),
        };
        loading.city = loading.database(CITY);
        loading.asn = loading.database(ASN);
        loading
    }

    fn database(&mut self, name: &str) -> Option<Found> {
        match self.search.find_named(name, DATABASE_BYTES_MAX) {
            Ok(found) => {
                if let Some(found) = &found {
                    digest(&mut self.digest, name, &found.bytes);
                }
                found
            }
            Err(error) => {
                self.findings.push(error.finding().warning());
                None
            }
        }
    }

    /// Loads what one document names.
    pub(super) fn load<T>(
        &mut self,
        draft: &mut Draft<'_, T>,
        data: impl FnOnce(&T) -> &[DataItem],
    ) {
        let Some(item) = &draft.item else { return };
        let beside = draft.source.directory.as_deref();
        for entry in data(item) {
            let Some(name) = &entry.dest_file else {
                continue;
            };
            let kind = entry.kind.as_ref().map(|kind| Arc::clone(&kind.value));
            if self.seen.insert((Arc::clone(&name.value), kind)) {
                let find = |bytes_max| self.search.find(entry, beside, bytes_max);
                match &*name.value {
                    CITY if self.city.is_none() => {
                        let found = find(DATABASE_BYTES_MAX);
                        self.city = self.found(found, name, &mut draft.findings);
                    }
                    ASN if self.asn.is_none() => {
                        let found = find(DATABASE_BYTES_MAX);
                        self.asn = self.found(found, name, &mut draft.findings);
                    }
                    CITY | ASN => {}
                    _ => {
                        let found = find(DATA_BYTES_MAX);
                        self.lines(entry, name, found, &mut draft.findings);
                    }
                }
            }
        }
    }

    /// A file that helper functions read line by line.
    fn lines(
        &mut self,
        entry: &DataItem,
        name: &Text,
        found: Result<Option<Found>, FileError>,
        findings: &mut Findings<'_>,
    ) {
        // Without a type no helper reads the file.
        let Some(kind_text) = &entry.kind else { return };
        let Some(kind) = DataKind::of_type(&kind_text.value) else {
            let message = format!(
                "there is no type \"{}\" of data files",
                shown(&kind_text.value)
            );
            findings.warn(kind_text, message);
            return;
        };
        let Some(found) = self.found(found, name, findings) else {
            return;
        };
        if let Err(error) = self.builder.add(&name.value, kind, &found.bytes) {
            findings.warn(name, chain(&error));
        }
    }

    fn found(
        &mut self,
        found: Result<Option<Found>, FileError>,
        name: &Text,
        findings: &mut Findings<'_>,
    ) -> Option<Found> {
        match found {
            Ok(Some(found)) => {
                digest(&mut self.digest, &name.value, &found.bytes);
                return Some(found);
            }
            Ok(None) => {
                self.n_missing += 1;
                let shown = shown(&name.value);
                match &*name.value {
                    // Databases are optional, and come from a data directory: who names none runs
                    // without them and need not be told each time.
                    CITY | ASN if !self.search.has_directories() => {}
                    CITY | ASN => findings.warn(
                        name,
                        format!("database `{shown}` is not there; what it knows stays empty"),
                    ),
                    file if is_inside(file) => findings.warn(
                        name,
                        format!("data file `{shown}` is not there; it reads as empty"),
                    ),
                    _ => findings.warn(name, format!("`{shown}` leads out of the data directory")),
                }
            }
            Err(error) => {
                self.n_missing += 1;
                findings.warn(name, chain(&error));
            }
        }
        None
    }

    /// Ends loading and opens the databases.
    pub(super) fn finish(mut self, report: &mut Report) -> Loaded {
        let digest = self.digest.finalize().into();
        let paths: Vec<String> = [&self.city, &self.asn]
            .into_iter()
            .flatten()
            .map(|found| found.path.clone())
            .collect();
        let bytes = |found: Option<Found>| found.map(|found| found.bytes.into_owned());
        let geo: Arc<dyn Geo> = match (bytes(self.city), bytes(self.asn)) {
            (None, None) => Arc::new(Nothing),
            (city, asn) => match Mmdb::new(city, asn) {
                Ok(mmdb) => Arc::new(mmdb),
                Err(error) => {
                    let finding = Diagnostic::file(paths.join(", "), chain(&error));
                    self.findings.push(finding.warning());
                    Arc::new(Nothing)
                }
            },
        };
        report.n_data_missing = self.n_missing;
        report.findings.append(&mut self.findings);
        Loaded {
            digest,
            files: Arc::new(self.builder.build()),
            geo,
        }
    }
}
