//! PNG pictures as tensors: gray, RGB, and either with alpha, 8 bits a channel, as uint8 `[C, H, W]`.

use std::io::Cursor;

use crate::onnx::Tensor;

/// Most bytes that a decoded picture may have.
const MAX_PICTURE_BYTES: usize = 1 << 28;

/// Reads a picture; a palette is refused rather than expanded.
pub(super) fn decode(bytes: &[u8]) -> Result<Tensor, String> {
    let limits = png::Limits { bytes: MAX_PICTURE_BYTES };
    let decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    let mut reader = decoder.read_info().map_err(|e| format!("not a PNG picture: {e}"))?;
    let (color, depth) = reader.output_color_type();
    if depth != png::BitDepth::Eight || color == png::ColorType::Indexed {
        return Err(format!(
            "a picture with {color:?} of {depth:?} bits; supported are gray and RGB of 8 bits"
        ));
    }
    let size = reader.output_buffer_size().filter(|&size| size <= MAX_PICTURE_BYTES);
    let mut pixels = vec![0; size.ok_or("the picture is too large")?];
    let frame = reader.next_frame(&mut pixels).map_err(|e| format!("not a whole PNG picture: {e}"))?;
    let (channels, height, width) = (color.samples(), frame.height as usize, frame.width as usize);
    let planes: Vec<u8> = (0..channels)
        .flat_map(|c| pixels.iter().skip(c).step_by(channels).take(height * width).copied())
        .collect();
    Tensor::new(vec![channels, height, width], planes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_come_first() {
        let mut bytes = vec![];
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(&[1, 2, 3, 4, 5, 6]).unwrap();
        assert_eq!(decode(&bytes).unwrap(), Tensor::new(vec![3, 1, 2], vec![1u8, 4, 2, 5, 3, 6]).unwrap());
        assert!(decode(&bytes[..bytes.len() - 20]).is_err());
    }
}
