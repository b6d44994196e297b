//! NumPy's `.npz` archives: a zip file of `.npy` members.

use std::io::{Cursor, Read};

use super::{MAX_FILE_BYTES, npy};
use crate::onnx::Tensor;

/// Reads every member, named without its `.npy`, in the archive's order.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<(Option<String>, Tensor)>, String> {
    let mut archive =
        zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| format!("not a zip archive: {e}"))?;
    let mut budget = MAX_FILE_BYTES;
    let mut tensors = vec![];
    for i in 0..archive.len() {
        let mut member = archive.by_index(i).map_err(|e| format!("member {i}: {e}"))?;
        let name = member.name().map_err(|e| format!("member {i}: {e}"))?.into_owned();
        let mut array = vec![];
        // The size that the archive states may lie, so the limit is on what is inflated.
        member.by_ref().take(budget).read_to_end(&mut array).map_err(|e| format!("member `{name}`: {e}"))?;
        budget -= array.len() as u64;
        if budget == 0 {
            return Err(format!("its members inflate to more than {MAX_FILE_BYTES} bytes"));
        }
        let tensor = npy::decode(&array).map_err(|e| format!("member `{name}`: {e}"))?;
        tensors.push((Some(name.trim_end_matches(".npy").to_string()), tensor));
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn members_are_read_with_their_names() {
        let (a, b) = (Tensor::vector(vec![1u8, 2]), Tensor::scalar(0.5f64));
        let mut archive = zip::ZipWriter::new(Cursor::new(vec![]));
        for (name, tensor) in [("a.npy", &a), ("b.npy", &b)] {
            archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(&npy::encode(tensor)).unwrap();
        }
        let bytes = archive.finish().unwrap().into_inner();
        assert_eq!(decode(&bytes).unwrap(), [(Some("a".into()), a), (Some("b".into()), b)]);
        assert!(decode(&bytes[..40]).is_err());
    }
}
