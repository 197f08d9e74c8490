//! What must be equal in all processes of a job, or they would send events to different workers.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Fingerprints of the program and of what it runs.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// Of the program.
    pub build: [u8; 32],
    /// Of the content: parsers, scenarios, data files.
    pub content: [u8; 32],
}

impl Identity {
    /// The running program by the SHA-256 of its file, and this content.
    ///
    /// # Errors
    /// When the file of the program cannot be read.
    pub fn of_program(content: [u8; 32]) -> io::Result<Self> {
        // By this name it is read even if another program stands at its path by now.
        let build = match Self::of_file(Path::new("/proc/self/exe")) {
            Ok(build) => build,
            Err(_) => Self::of_file(&std::env::current_exe()?)?,
        };
        Ok(Self { build, content })
    }

    /// The SHA-256 of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of_file(path: &Path) -> io::Result<[u8; 32]> {
        let mut file = File::open(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 18];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(hash.finalize().into()),
                Ok(n) => hash.update(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |bytes: &[u8; 32]| -> String {
            bytes[..6]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        write!(
            f,
            "Identity {{ build: {}, content: {} }}",
            hex(&self.build),
            hex(&self.content)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_its_file() {
        let one = Identity::of_program([1; 32]).unwrap();
        assert_eq!(one, Identity::of_program([1; 32]).unwrap());
        assert_ne!(one.build, [0; 32]);
        assert_ne!(one, Identity::of_program([2; 32]).unwrap());
        assert_eq!(
            format!("{:?}", Identity::default()),
            "Identity { build: 000000000000, content: 000000000000 }"
        );
    }
}
