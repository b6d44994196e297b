//! A run's trace in a folder: `op-N.bin` with the bytes of operation N's wire, whose `b3sum` is its digest in the
//! receipt, and `trace.json` that names them.
//!
//! The folder appears whole or not at all. An opening needs only the files of the operations that it is about.

use crate::files::{FileError, read_bytes};
use crate::receipt::digest;
use crate::run::{Run, Tensors};
use crate::trace::TensorBytes;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::Receipt;
use serde_json::json;
use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// The name of the file that names the others.
pub const MANIFEST: &str = "trace.json";

/// Where an operation's wire lies.
pub fn wire_path(folder: &Path, operation: usize) -> PathBuf {
    folder.join(format!("op-{operation}.bin"))
}

/// The bytes of a wire's file; a link to a device, of which there is no end, is none.
fn wire_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    if std::fs::metadata(path).is_ok_and(|data| !data.is_file()) {
        let reason = "is no regular file".to_string();
        return Err(FileError::Format { path: path.to_path_buf(), reason });
    }
    read_bytes(path)
}

/// Writes a trace wire by wire, from any thread, to a folder that does not exist yet or is empty.
pub struct TraceWriter {
    folder: PathBuf,
    new: TempDir,
    /// The first failure, since the run that calls [`TraceWriter::wire`] does not stop for one.
    failure: Mutex<Option<std::io::Error>>,
}

impl TraceWriter {
    /// Begins beside the folder, which appears at the end.
    ///
    /// # Errors
    /// Where nothing can be written there.
    pub fn create(folder: &Path) -> Result<TraceWriter, FileError> {
        let failed = |source| FileError::Write { path: folder.to_path_buf(), source };
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let new = tempfile::Builder::new().prefix(".assay-").tempdir_in(parent).map_err(failed)?;
        Ok(TraceWriter { folder: folder.to_path_buf(), new, failure: Mutex::new(None) })
    }

    /// Writes an operation's wire. A failure comes to light in [`TraceWriter::finish`].
    pub fn wire(&self, operation: usize, bytes: &[u8]) {
        // Synchronised at the end, so that a run does not wait for the disk.
        let path = wire_path(self.new.path(), operation);
        if let Err(error) = File::create_new(path).and_then(|mut file| file.write_all(bytes)) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }

    /// Writes the wires of a run that was kept.
    pub fn run(&self, program: &Program, run: &dyn TensorBytes) {
        for operation in 0..program.operations.len() {
            self.wire(operation, &run.own_bytes(program, Source::Operation(operation)).unwrap_or_default());
        }
    }

    /// Names the wires, and puts the folder in its place.
    ///
    /// # Errors
    /// Where a wire could not be written, or the folder holds anything.
    pub fn finish(self, program: &Program, receipt: &Receipt) -> Result<(), FileError> {
        let folder = &self.folder;
        let failed = |source| FileError::Write { path: folder.to_path_buf(), source };
        if let Some(error) = self.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(failed(error));
        }
        let entries = program.operations.iter().enumerate().map(|(number, operation)| {
            let width = program.width(Source::Operation(number)).unwrap_or_default();
            json!({
                "operation": operation.name,
                "shape": operation.shape.sizes(),
                "element_bytes": width,
                "bytes": operation.shape.cells() * width,
                "blake3": receipt.leaves.get(number).map(|leaf| Hex(leaf).to_string()),
            })
        });
        let manifest = json!({
            "format": "assay-trace/1",
            "program": Hex(&receipt.program).to_string(),
            "receipt_hash": Hex(&receipt.hash()).to_string(),
            "operations": entries.collect::<Vec<_>>(),
        });
        let path = self.new.path().join(MANIFEST);
        std::fs::write(&path, format!("{manifest:#}\n")).map_err(failed)?;
        let wires = (0..program.operations.len()).map(|operation| wire_path(self.new.path(), operation));
        for path in wires.chain([path]) {
            File::open(path).and_then(|file| file.sync_all()).map_err(failed)?;
        }
        // Over an empty folder this succeeds, over any other it fails.
        std::fs::rename(self.new.path(), folder).map_err(failed)?;
        let _ = self.new.keep();
        #[cfg(unix)]
        {
            // A temporary folder is private; a written one has the mode that the files in it have.
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
        }
        Ok(())
    }
}

/// A run that is in memory, or whose wires are in a folder.
pub enum KeptRun {
    /// In memory.
    Memory(Run),
    /// The inputs in memory, the wires in a folder.
    Folder(Tensors, PathBuf),
}

impl TensorBytes for KeptRun {
    /// `None` of a wire whose file cannot be read.
    fn own_bytes(&self, program: &Program, source: Source) -> Option<Cow<'_, [u8]>> {
        match (self, source) {
            (KeptRun::Memory(run), _) => run.own_bytes(program, source),
            (KeptRun::Folder(_, folder), Source::Operation(i)) => {
                wire_bytes(&wire_path(folder, i)).ok().map(Cow::Owned)
            }
            (KeptRun::Folder(inputs, _), _) => inputs.own_bytes(program, source),
        }
    }
}

/// Reads the bytes of an operation's wire, which must have the digest that the receipt states.
///
/// # Errors
/// Where the file cannot be read or is not what the receipt is about.
pub fn read_wire(folder: &Path, operation: usize, leaf: &Digest32) -> Result<Vec<u8>, FileError> {
    let path = wire_path(folder, operation);
    let bytes = wire_bytes(&path)?;
    if digest(&bytes) == *leaf {
        return Ok(bytes);
    }
    let reason = format!("is not the output of operation {operation} that the receipt states");
    Err(FileError::Format { path, reason })
}
