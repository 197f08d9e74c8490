//! A log file as its writer and logrotate treat it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A log that is appended to and rotated.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    writer: Option<File>,
    n_rotated: usize,
}

impl LogFile {
    /// Makes the file, empty.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let mut file = Self {
            path,
            writer: None,
            n_rotated: 0,
        };
        file.append("")?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn append(&mut self, text: &str) -> io::Result<()> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(
                OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(&self.path)?,
            ),
        };
        writer.write_all(text.as_bytes())
    }

    /// Gives the file another name. Its writer goes on writing to it until [`Self::let_go`]. Answers whether there was
    /// anything to rotate.
    pub(crate) fn rename(&mut self) -> io::Result<bool> {
        if !self.has_bytes() {
            return Ok(false);
        }
        self.shift()?;
        fs::rename(&self.path, rotated(&self.path, 1))?;
        Ok(true)
    }

    /// The writer opens what the path shows, or makes it.
    pub(crate) fn let_go(&mut self) -> io::Result<()> {
        self.writer = None;
        self.append("")
    }

    /// Copies the file and cuts it.
    pub(crate) fn copy_and_truncate(&mut self) -> io::Result<bool> {
        if !self.has_bytes() {
            return Ok(false);
        }
        self.shift()?;
        fs::copy(&self.path, rotated(&self.path, 1))?;
        OpenOptions::new()
            .write(true)
            .open(&self.path)?
            .set_len(0)?;
        Ok(true)
    }

    /// While the writer holds a renamed file the path shows nothing.
    fn has_bytes(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Makes room for a new `.1`.
    fn shift(&mut self) -> io::Result<()> {
        for n in (1..=self.n_rotated).rev() {
            fs::rename(rotated(&self.path, n), rotated(&self.path, n + 1))?;
        }
        self.n_rotated += 1;
        Ok(())
    }
}

fn rotated(path: &Path, n: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_loses_nothing() {
        let dir = std::env::temp_dir().join(format!("chaos-files-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a.log");
        let mut file = LogFile::create(path.clone()).unwrap();
        assert!(!file.rename().unwrap());
        file.append("1\n").unwrap();
        assert!(file.rename().unwrap());
        file.append("2\n").unwrap();
        assert!(!path.exists() && !file.rename().unwrap());
        file.let_go().unwrap();
        file.append("3\n").unwrap();
        assert!(file.copy_and_truncate().unwrap());
        file.append("4\n").unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        let all = [rotated(&path, 2), rotated(&path, 1), path].map(read);
        assert_eq!(all, ["1\n2\n", "3\n", "4\n"]);
        fs::remove_dir_all(dir).unwrap();
    }
}
