//! A run's trace in a folder: `op-N.bin` with the bytes of operation N's wire, whose `b3sum` is its digest in the
//! receipt, and `trace.json` that names them.
//!
//! The folder appears whole or not at all. An opening needs only the files of the operations that it is about.

use crate::files::{FileError, read_bytes};
use crate::receipt::digest;
use crate::trace::TensorBytes;
use assay_circuits::program::{Program, Source};
use assay_circuits::root::Digest32;
use assay_verifier::hex::Hex;
use assay_verifier::receipt::Receipt;
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The name of the file that names the others.
pub const MANIFEST: &str = "trace.json";

/// Where an operation's wire lies.
pub fn wire_path(folder: &Path, operation: usize) -> PathBuf {
    folder.join(format!("op-{operation}.bin"))
}

/// Writes the wires of a run to a folder that does not exist yet, or is empty.
///
/// # Errors
/// Where the folder cannot be written or holds anything.
pub fn write_trace(
    folder: &Path,
    program: &Program,
    receipt: &Receipt,
    run: &dyn TensorBytes,
) -> Result<(), FileError> {
    let failed = |source| FileError::Write { path: folder.to_path_buf(), source };
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = tempfile::Builder::new().prefix(".assay-").tempdir_in(parent).map_err(failed)?;
    let mut entries = Vec::with_capacity(program.operations.len());
    for (number, operation) in program.operations.iter().enumerate() {
        let source = Source::Operation(number);
        let bytes = run.own_bytes(program, source).unwrap_or_default();
        write(&wire_path(new.path(), number), &bytes).map_err(failed)?;
        entries.push(json!({
            "operation": operation.name,
            "shape": operation.shape.sizes(),
            "element_bytes": program.width(source),
            "bytes": bytes.len(),
            "blake3": receipt.leaves.get(number).map(|leaf| Hex(leaf).to_string()),
        }));
    }
    let manifest = json!({
        "format": "assay-trace/1",
        "program": Hex(&receipt.program).to_string(),
        "receipt_hash": Hex(&receipt.hash()).to_string(),
        "operations": entries,
    });
    write(&new.path().join(MANIFEST), format!("{manifest:#}\n").as_bytes()).map_err(failed)?;
    // Over an empty folder this succeeds, over any other it fails.
    std::fs::rename(new.path(), folder).map_err(failed)?;
    let _ = new.keep();
    #[cfg(unix)]
    {
        // A temporary folder is private; a written one has the mode that the files in it have.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads the bytes of an operation's wire, which must have the digest that the receipt states.
///
/// # Errors
/// Where the file cannot be read or is not what the receipt is about.
pub fn read_wire(folder: &Path, operation: usize, leaf: &Digest32) -> Result<Vec<u8>, FileError> {
    let path = wire_path(folder, operation);
    let bytes = read_bytes(&path)?;
    if digest(&bytes) == *leaf {
        return Ok(bytes);
    }
    let reason = format!("is not the output of operation {operation} that the receipt states");
    Err(FileError::Format { path, reason })
}
