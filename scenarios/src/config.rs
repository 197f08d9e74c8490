//! `config.yaml` as CrowdSec has it, as far as it says where content lies
//! (`pkg/csconfig/config_paths.go`).
//!
//! The keys of other parts (output, plugins) are left to those who use them.

use std::path::{Path, PathBuf};

use crate::api_config::{ApiConfig, DbConfig};
use crate::content::local_of;
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::files;
use crate::installed::ConfigPaths;
use crate::job_config::JobConfig;
use crate::places::put_path;
use crate::yaml;
use crate::yaml::table::{Findings, Table, Unknown};

/// Where the parts of the configuration lie that `config.yaml` describes. A `config.yaml.local`
/// beside it overrides single keys; `$NAME` and `${NAME}` stand for variables that are set.
/// Relative paths are taken from the directory of the file.
///
/// # Errors
/// Every finding of the two files, when one of them refuses.
pub fn config_paths(path: &Path) -> Result<ConfigPaths, Vec<Diagnostic>> {
    let mut found = Found::default();
    let mut diagnostics = Vec::new();
    found.read(path, &mut diagnostics);
    let local = local_of(path);
    if local.exists() {
        found.read(&local, &mut diagnostics);
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Err(diagnostics);
    }
    let directory = path.parent().unwrap_or(Path::new("."));
    let at = |path: &Option<PathBuf>| path.as_ref().map(|path| directory.join(path));
    let mut paths =
        ConfigPaths::below(at(&found.config_dir).unwrap_or_else(|| directory.to_owned()));
    if let Some(hub_dir) = at(&found.hub_dir) {
        paths.index_path = hub_dir.join(".index.json");
        paths.hub_dir = hub_dir;
    }
    paths.data_dir = at(&found.data_dir);
    for (place, given) in [
        (&mut paths.index_path, &found.index_path),
        (&mut paths.pattern_dir, &found.pattern_dir),
        (&mut paths.simulation_path, &found.simulation_path),
        (&mut paths.profiles_path, &found.profiles_path),
    ] {
        if let Some(given) = at(given) {
            *place = given;
        }
    }
    paths.console_context_path = at(&found.console_context_path);
    paths.acquisition_path = at(&found.acquisition_path);
    paths.acquisition_dir = at(&found.acquisition_dir);
    paths.prometheus = found.prometheus;
    paths.api = found.api.below(directory);
    paths.db = found.db.below(directory);
    paths.job = found.job.below(directory);
    Ok(paths)
}

#[derive(Debug, Default)]
struct Found {
    config_dir: Option<PathBuf>,
    data_dir: Option<PathBuf>,
    hub_dir: Option<PathBuf>,
    index_path: Option<PathBuf>,
    pattern_dir: Option<PathBuf>,
    simulation_path: Option<PathBuf>,
    profiles_path: Option<PathBuf>,
    console_context_path: Option<PathBuf>,
    acquisition_path: Option<PathBuf>,
    acquisition_dir: Option<PathBuf>,
    prometheus: Prometheus,
    api: ApiConfig,
    db: DbConfig,
    job: JobConfig,
}

/// The section `prometheus` of `config.yaml`: what is measured, and where it is answered. The same keys and
/// defaults as in CrowdSec, where a level that is missing or unknown is `full`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prometheus {
    /// `enabled`: whether metrics are answered at all.
    pub enabled: bool,
    /// `level`: `none`, `aggregated` or `full`.
    pub level: Option<String>,
    /// `listen_addr`; 127.0.0.1 by default.
    pub listen_addr: Option<String>,
    /// `listen_port`; 6060 by default.
    pub listen_port: Option<i64>,
}

impl Prometheus {
    /// Whether metrics by node and by source and scenario are wanted too.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.level.as_deref() != Some("aggregated")
    }

    /// Where to listen, such as `127.0.0.1:6060`; `None` when nothing is to be answered.
    #[must_use]
    pub fn address(&self) -> Option<String> {
        let is_none = self.level.as_deref() == Some("none");
        if !self.enabled || is_none {
            return None;
        }
        let host = self.listen_addr.as_deref().unwrap_or("127.0.0.1");
        let port = self.listen_port.unwrap_or(6060);
        // Addresses of IPv6 are in brackets before a port.
        Some(match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        })
    }
}

impl Found {
    fn read(&mut self, path: &Path, diagnostics: &mut Vec<Diagnostic>) {
        let text = match files::read_text(path) {
            Ok(text) => text,
            Err(error) => return diagnostics.push(error.finding()),
        };
        let text = expand(&text, &|name| std::env::var(name).ok());
        let file = SourceFile::new(path.display().to_string(), text);
        let documents = match yaml::parse(&file.text) {
            Ok(documents) => documents,
            Err(error) => return diagnostics.push(Diagnostic::yaml(&file, &error)),
        };
        for document in documents {
            let mut findings = Findings::of_document(&file, &document);
            let mut root = Table::open(&document.root, Unknown::Ignore, &mut findings);
            root.child("config_paths", &mut findings, |mut table, findings| {
                put_path(&mut self.config_dir, &mut table, "config_dir", findings);
                put_path(&mut self.data_dir, &mut table, "data_dir", findings);
                put_path(&mut self.hub_dir, &mut table, "hub_dir", findings);
                put_path(&mut self.index_path, &mut table, "index_path", findings);
                put_path(&mut self.pattern_dir, &mut table, "pattern_dir", findings);
                put_path(
                    &mut self.simulation_path,
                    &mut table,
                    "simulation_path",
                    findings,
                );
            });
            root.child("crowdsec_service", &mut findings, |mut table, findings| {
                for (place, key) in [
                    (&mut self.console_context_path, "console_context_path"),
                    (&mut self.acquisition_path, "acquisition_path"),
                    (&mut self.acquisition_dir, "acquisition_dir"),
                ] {
                    put_path(place, &mut table, key, findings);
                }
            });
            root.child("prometheus", &mut findings, |mut table, findings| {
                let prometheus = &mut self.prometheus;
                if table.has("enabled") {
                    prometheus.enabled = table.flag("enabled", findings);
                }
                for (place, key) in [
                    (&mut prometheus.level, "level"),
                    (&mut prometheus.listen_addr, "listen_addr"),
                ] {
                    if let Some(text) = table.filled(key, findings) {
                        *place = Some(text.value.to_string());
                    }
                }
                if let Some(port) = table.int("listen_port", findings) {
                    prometheus.listen_port = Some(port);
                }
            });
            if let Some(node) = root.value("overspill") {
                self.job.read(node, &mut findings);
            }
            self.read_api(&mut root, &mut findings);
            diagnostics.extend(findings.finish());
        }
    }

    /// Sections of the API.
    fn read_api(&mut self, root: &mut Table<'_>, findings: &mut Findings<'_>) {
        root.child("api", findings, |mut table, findings| {
            table.child("server", findings, |mut table, findings| {
                put_path(
                    &mut self.profiles_path,
                    &mut table,
                    "profiles_path",
                    findings,
                );
            });
            self.api.read(&mut table, findings);
        });
        root.child("db_config", findings, |mut table, findings| {
            self.db.read(&mut table, findings);
        });
    }
}

/// Puts variables that are set in the place of `$NAME` and `${NAME}`; all others stay as written,
/// so that a `$` in a pattern or a password survives. What was put in is not looked at again.
pub fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.strip_prefix('$').unwrap_or_default();
        let (name, len) = match after
            .strip_prefix('{')
            .and_then(|braced| braced.split_once('}'))
        {
            Some((name, _)) => (name, name.len() + 3),
            None => {
                let end = after
                    .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
                    .unwrap_or(after.len());
                let name = after.get(..end).unwrap_or_default();
                (name, name.len() + 1)
            }
        };
        let (written, left) = from.split_at_checked(len).unwrap_or((from, ""));
        match variable(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => out.push_str(written),
        }
        rest = left;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_of_prometheus_says_where_to_listen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config.yaml");
        for (text, address) in [
            ("", None),
            ("prometheus: {level: full}", None),
            ("prometheus: {enabled: true}", Some("127.0.0.1:6060")),
            ("prometheus: {enabled: true, level: none}", None),
            (
                "prometheus: {enabled: true, level: full, listen_addr: 0.0.0.0, listen_port: 6061}",
                Some("0.0.0.0:6061"),
            ),
            (
                "prometheus: {enabled: yes, listen_addr: '::1', level: aggregated}",
                Some("[::1]:6060"),
            ),
        ] {
            std::fs::write(&file, text).unwrap();
            let paths = config_paths(&file).unwrap();
            assert_eq!(paths.prometheus.address().as_deref(), address, "{text}");
        }
    }

    #[test]
    fn only_variables_that_are_set_are_replaced() {
        let set = |name: &str| (name == "HOME_DIR").then(|| "/srv/$X".to_owned());
        for (text, expanded) in [
            ("a: ${HOME_DIR}/x", "a: /srv/$X/x"),
            ("a: $HOME_DIR/x", "a: /srv/$X/x"),
            ("a: $HOME_DIRS ${NOT}", "a: $HOME_DIRS ${NOT}"),
            ("a: ^x$", "a: ^x$"),
            ("a: ${open $ é$é", "a: ${open $ é$é"),
        ] {
            assert_eq!(expand(text, &set), expanded, "{text}");
        }
    }
}
