//! Tensors in files: NumPy arrays, archives of them, ONNX tensors, and pictures.
//!
//! The ending of the name says the format:
//!
//! | ending | format | read | write |
//! | --- | --- | --- | --- |
//! | `.npy` | NumPy array | yes | [`npy::encode`] |
//! | `.npz` | zip of NumPy arrays | yes | - |
//! | `.pb` | ONNX `TensorProto` | yes | [`crate::onnx::encode_tensor`] |
//! | `.png` | 8-bit picture, as uint8 `[C, H, W]` | yes | - |

mod atomic;
pub mod npy;
mod npz;
mod picture;

use std::path::{Path, PathBuf};

pub use atomic::{write_atomically, write_private};

use crate::onnx::{Tensor, decode_named_tensor, encode_tensor};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 32;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum FileError {
    #[error("{path}: cannot read: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: cannot write: {source}", path = path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path}: {reason}", path = path.display())]
    Format { path: PathBuf, reason: String },
    #[error("{path}: of unknown format; known are .npy, .npz, .pb and .png", path = path.display())]
    UnknownFormat { path: PathBuf },
    #[error("{path}: has {count} tensors, should have one", path = path.display())]
    NotOneTensor { path: PathBuf, count: usize },
}

/// Reads the only tensor of a file.
pub fn read_tensor(path: &Path) -> Result<Tensor, FileError> {
    let mut tensors = read_named(path)?;
    match (tensors.pop(), tensors.len()) {
        (Some((_, tensor)), 0) => Ok(tensor),
        (last, others) => {
            let count = others + usize::from(last.is_some());
            Err(FileError::NotOneTensor { path: path.to_path_buf(), count })
        }
    }
}

/// Reads all tensors of a file, with their names where the format has names.
pub fn read_named(path: &Path) -> Result<Vec<(Option<String>, Tensor)>, FileError> {
    let ending = ending(path);
    if !["npy", "npz", "pb", "png"].contains(&ending.as_str()) {
        return Err(FileError::UnknownFormat { path: path.to_path_buf() });
    }
    let bytes = read_bytes(path)?;
    let unnamed = |tensor| vec![(None, tensor)];
    let tensors = match ending.as_str() {
        "npy" => npy::decode(&bytes).map(unnamed).map_err(|e| e.to_string()),
        "npz" => npz::decode(&bytes),
        "png" => picture::decode(&bytes).map(unnamed),
        _ => decode_named_tensor(&bytes)
            .map(|(name, tensor)| vec![((!name.is_empty()).then_some(name), tensor)])
            .map_err(|e| e.to_string()),
    };
    tensors.map_err(|reason| FileError::Format { path: path.to_path_buf(), reason })
}

/// Writes a tensor as `.npy` or `.pb`, atomically.
pub fn write_tensor(path: &Path, tensor: &Tensor) -> Result<(), FileError> {
    let bytes = match ending(path).as_str() {
        "npy" => npy::encode(tensor),
        "pb" => encode_tensor("", tensor),
        _ => return Err(FileError::UnknownFormat { path: path.to_path_buf() }),
    };
    write_atomically(path, &bytes)
}

fn ending(path: &Path) -> String {
    path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// Reads a file of at most [`MAX_FILE_BYTES`].
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read { path: path.to_path_buf(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    if size > MAX_FILE_BYTES {
        let reason = format!("{size} bytes are more than the limit of {MAX_FILE_BYTES}");
        return Err(FileError::Format { path: path.to_path_buf(), reason });
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_survive_both_formats_and_errors_name_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let tensor = Tensor::new(vec![2, 1], vec![1.5f32, -2.0]).unwrap();
        for name in ["t.npy", "t.pb"] {
            let path = folder.path().join(name);
            write_tensor(&path, &tensor).unwrap();
            assert_eq!(read_tensor(&path).unwrap(), tensor);
        }
        let missing = read_tensor(&folder.path().join("none.npy")).unwrap_err().to_string();
        assert!(missing.contains("none.npy"), "{missing}");
        assert!(matches!(read_tensor(Path::new("t.bmp")), Err(FileError::UnknownFormat { .. })));
    }
}
