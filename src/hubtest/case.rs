//! One test directory: `.tests/<name>/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use overspill_scenarios::TestConfig;

/// Folder of the tests in a hub.
pub const TESTS_DIR: &str = ".tests";

/// One test.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name of its folder.
    pub name: String,
    /// Its folder.
    pub dir: PathBuf,
    /// What its `config.yaml` says.
    pub config: TestConfig,
}

impl Case {
    /// Names of all tests of a hub, sorted.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn names(hub: &Path) -> Result<Vec<String>> {
        let dir = hub.join(TESTS_DIR);
        let mut names = Vec::new();
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            if entry.path().join("config.yaml").is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads a test.
    ///
    /// # Errors
    /// When its configuration is missing or cannot be read.
    pub fn load(hub: &Path, name: &str) -> Result<Self> {
        let dir = hub.join(TESTS_DIR).join(name);
        let path = dir.join("config.yaml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        match TestConfig::read(&path.display().to_string(), &text) {
            Ok(config) => Ok(Self {
                name: name.to_owned(),
                dir,
                config,
            }),
            Err(findings) => {
                let findings: Vec<String> = findings
                    .iter()
                    .map(overspill_scenarios::Diagnostic::render)
                    .collect();
                bail!("{}", findings.join("\n"))
            }
        }
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.dir.join(&self.config.log_file)
    }

    /// Whether the test names items of this kind.
    #[must_use]
    pub fn has(&self, kind: overspill_scenarios::ItemKind) -> bool {
        self.config.items.iter().any(|(item, _)| *item == kind)
    }
}
