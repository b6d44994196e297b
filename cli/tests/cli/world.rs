//! A folder to work in, the binary to run in it, and what it answers.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a run of the binary gave.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Asserts that the run ended well; its standard output.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stderr, "");
        self.stdout
    }

    /// Asserts that the run was refused as an error of usage or input, with words that tell why.
    #[track_caller]
    pub fn refused(self, words: &[&str]) {
        assert_eq!(self.code, 2, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in: {}", self.stderr);
        }
    }

    /// Asserts that a proof was rejected, with words that tell why.
    #[track_caller]
    pub fn rejected(self, words: &[&str]) {
        assert_eq!(self.code, 1, "{}{}", self.stdout, self.stderr);
        assert!(self.stdout.starts_with("REJECTED"), "{}", self.stdout);
        for word in words {
            assert!(self.stdout.contains(word), "{word:?} is not in: {}", self.stdout);
        }
    }

    /// The only object of the standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", self.stdout, self.stderr))
    }
}

/// A folder to work in.
pub struct World(TempDir);

impl World {
    pub fn new() -> World {
        World(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Names of all files in the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs `assay` with the words of a line as arguments, in the folder.
    pub fn assay(&self, line: &str) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(line.split_whitespace());
        self.run(command)
    }

    /// Runs a line of the shell, in which `$ASSAY` is the binary.
    pub fn shell(&self, line: &str) -> Answer {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("ASSAY", env!("CARGO_BIN_EXE_assay"));
        self.run(command)
    }

    fn run(&self, mut command: Command) -> Answer {
        let output = command.current_dir(self.0.path()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// A file that ships with the command line.
pub fn asset(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name).display().to_string()
}
