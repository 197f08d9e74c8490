//! A configuration directory as CrowdSec has it: items are enabled by lying there.
//!
//! `parsers/<stage>/…`, `postoverflows/<stage>/…`, `scenarios/…` and `contexts/…` hold YAML files
//! or links to them. A link into the hub directory is a hub item with a version; anything else is
//! a local item (`pkg/cwhub/sync.go`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::api_config::{ApiConfig, DbConfig};
use crate::config::Prometheus;
use crate::content::{Content, ContentItem, digest};
use crate::diagnostic::{Diagnostic, SourceFile};
use crate::files;
use crate::index::{INDEX_BYTES_MAX, Index};
use crate::item::ItemKind;
use crate::job_config::JobConfig;

/// Where the parts of a configuration lie: `config_paths` of `config.yaml`, and what else it names.
#[derive(Debug, Clone)]
pub struct ConfigPaths {
    /// Directory of the items.
    pub config_dir: PathBuf,
    /// Directory of data files and GeoIP databases.
    pub data_dir: Option<PathBuf>,
    /// Directory that hub items are linked into.
    pub hub_dir: PathBuf,
    /// The hub's index.
    pub index_path: PathBuf,
    /// Directory of grok patterns.
    pub pattern_dir: PathBuf,
    /// Simulation settings.
    pub simulation_path: PathBuf,
    /// Profiles.
    pub profiles_path: PathBuf,
    /// Console context; a file that is named must exist.
    pub console_context_path: Option<PathBuf>,
    /// File that says which logs are read.
    pub acquisition_path: Option<PathBuf>,
    /// Directory of such files.
    pub acquisition_dir: Option<PathBuf>,
    /// Where metrics are answered.
    pub prometheus: Prometheus,
    /// Section `api`.
    pub api: ApiConfig,
    /// Section `db_config`.
    pub db: DbConfig,
    /// Section `overspill`.
    pub job: JobConfig,
}

impl ConfigPaths {
    /// The usual places below a configuration directory.
    #[must_use]
    pub fn below(config_dir: impl Into<PathBuf>) -> Self {
        let config_dir = config_dir.into();
        let hub_dir = config_dir.join("hub");
        Self {
            data_dir: None,
            index_path: hub_dir.join(".index.json"),
            hub_dir,
            pattern_dir: config_dir.join("patterns"),
            simulation_path: config_dir.join("simulation.yaml"),
            profiles_path: config_dir.join("profiles.yaml"),
            console_context_path: None,
            acquisition_path: None,
            acquisition_dir: None,
            prometheus: Prometheus::default(),
            api: ApiConfig::default(),
            db: DbConfig::default(),
            job: JobConfig::default(),
            config_dir,
        }
    }
}

/// Collects what is installed. What cannot be read is a finding of the content.
#[must_use]
pub fn installed(paths: &ConfigPaths) -> Content {
    let mut content = Content::default();
    let index = read_index(&paths.index_path, &mut content);
    let hub_dir = paths.hub_dir.canonicalize().ok();
    for kind in ItemKind::ALL {
        if kind == ItemKind::Collections {
            // Their members are installed themselves.
            continue;
        }
        let root = paths.config_dir.join(kind.directory());
        match files::walk(&root) {
            Ok(found) => {
                for relative in found {
                    let path = root.join(&relative);
                    let hub = hub_dir.as_deref().zip(index.as_ref());
                    add(kind, &relative, &path, hub, &mut content);
                }
            }
            Err(error) => content.findings.push(error.finding()),
        }
    }
    content.sort();
    if paths.pattern_dir.is_dir() {
        content.add_patterns(&paths.pattern_dir);
    }
    content.add_simulation(&paths.simulation_path);
    content.add_profiles(&paths.profiles_path);
    content.console_context = match &paths.console_context_path {
        Some(path) => content.read(path, false),
        None => content.read(&paths.config_dir.join("console/context.yaml"), true),
    };
    if let Some(data_dir) = &paths.data_dir {
        content.add_data_dir(data_dir);
    }
    content
}

fn read_index(path: &Path, content: &mut Content) -> Option<Index> {
    if !path.exists() {
        return None;
    }
    let finding = match files::read_bytes(path, INDEX_BYTES_MAX) {
        Ok(bytes) => match Index::parse(&bytes) {
            Ok(index) => return Some(index),
            Err(error) => {
                let message = match std::error::Error::source(&error) {
                    Some(source) => format!("is no hub index: {source}"),
                    None => "is no hub index".to_owned(),
                };
                Diagnostic::file(path.display().to_string(), message)
            }
        },
        Err(error) => error.finding(),
    };
    // Items run without it; they only have no versions.
    content.findings.push(finding.warning());
    None
}

fn add(
    kind: ItemKind,
    relative: &Path,
    path: &Path,
    hub: Option<(&Path, &Index)>,
    content: &mut Content,
) {
    let target = path.canonicalize();
    if matches!(&target, Ok(target) if target == Path::new("/dev/null")) {
        // A link to nowhere is how packages keep an item disabled.
        return;
    }
    let stage = if kind.has_stages() {
        let mut parts = relative.iter();
        match (parts.next(), parts.next()) {
            (Some(stage), Some(_)) => Some(Arc::from(&*stage.to_string_lossy())),
            _ => {
                let message = format!("lies beside the stages of {kind} and is not loaded");
                content.findings.push(
                    Diagnostic::file(path.display().to_string(), message)
                        .warning()
                        .with_hint("move it into a directory such as s01-parse"),
                );
                return;
            }
        }
    } else {
        None
    };
    let shown = path.display().to_string();
    let name = relative.with_extension("").to_string_lossy().into_owned();
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(error) => {
            content.refuse(kind, &name, &shown, &error);
            return;
        }
    };
    let item = target
        .as_ref()
        .ok()
        .zip(hub)
        .and_then(|(target, (hub_dir, index))| {
            let inside = target.strip_prefix(hub_dir).ok()?.to_str()?;
            index.by_path(kind, inside)
        });
    let (name, hash, version): (Arc<str>, Arc<str>, Arc<str>) = match item {
        Some((name, item)) => {
            let hash = digest(text.as_bytes());
            let version = Arc::from(item.version_of(&hash));
            (Arc::from(name), Arc::from(hash), version)
        }
        None => (Arc::from(name), Arc::from(""), Arc::from("")),
    };
    content.push(ContentItem {
        kind,
        name,
        stage,
        installed: format!("{}/{}", kind.directory(), relative.display()),
        file: SourceFile::new(shown, text),
        directory: path.parent().map(Path::to_owned),
        hash,
        version,
    });
}
