//! From files to the tensors that a model takes: which file is which input, which row, which type.

use crate::error::CliError;
use assay_circuits::program::{ImageInput, Input, Precision, Program};
use assay_circuits::tensor::{RealTensor, Tensor as IntTensor};
use assay_prover::compile::{dequantise_output, quantise_input};
use assay_prover::files::read_named;
use assay_prover::onnx::{DType, Data, Tensor};
use assay_prover::run::Tensors;
use std::path::{Path, PathBuf};

/// A tensor and the file that it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub tensor: Tensor,
}

impl Loaded {
    fn error(&self, problem: impl Into<String>) -> CliError {
        CliError::content(&self.path, problem)
    }
}

/// Reads `[NAME=]FILE` arguments and hands each tensor to one of `names`; several to one name, in order, where
/// `many`. `what` is "input" or "output".
pub fn assign(
    files: &[String],
    names: &[&str],
    what: &str,
    many: bool,
) -> Result<Vec<Vec<Loaded>>, CliError> {
    let mut taken: Vec<Vec<Loaded>> = vec![Vec::new(); names.len()];
    let mut unnamed = Vec::new();
    for file in files {
        // An equals sign is legal in a file's name, so it splits only after a name that is known.
        let split = file.split_once('=').and_then(|(name, path)| Some((position(names, name)?, path)));
        let Some((slot, path)) = split else {
            if let Some((name, path)) = file.split_once('=')
                && !Path::new(file).exists()
                && Path::new(path).exists()
            {
                let known = names.join(", ");
                return Err(CliError::Usage(format!("{file}: there is no {what} {name}; there is {known}")));
            }
            let path = PathBuf::from(file);
            for (name, tensor) in read_named(&path)? {
                let loaded = Loaded { path: path.clone(), tensor };
                match name.and_then(|name| position(names, &name)) {
                    Some(slot) => taken[slot].push(loaded),
                    None => unnamed.push(loaded),
                }
            }
            continue;
        };
        let path = PathBuf::from(path);
        let mut tensors = read_named(&path)?;
        if tensors.len() > 1 {
            tensors.retain(|(name, _)| name.as_deref() == Some(names[slot]));
        }
        let Some((_, tensor)) = tensors.pop() else {
            return Err(CliError::content(&path, format!("has several tensors, none named {}", names[slot])));
        };
        taken[slot].push(Loaded { path, tensor });
    }
    for loaded in unnamed {
        let free = taken.iter().position(Vec::is_empty);
        match free.or((many && names.len() == 1).then_some(0)) {
            Some(slot) => taken[slot].push(loaded),
            None => {
                let known = names.join(", ");
                return Err(loaded.error(format!("one {what} too many: there is {known}")));
            }
        }
    }
    if !many && let Some(slot) = taken.iter().position(|given| given.len() > 1) {
        return Err(taken[slot][1].error(format!("{what} {} is given twice", names[slot])));
    }
    Ok(taken)
}

fn position(names: &[&str], name: &str) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

/// True where two shapes are the same but for ones at the front.
pub fn same(a: &[usize], b: &[usize]) -> bool {
    let strip = |shape: &[usize]| shape.iter().position(|&n| n != 1).unwrap_or(shape.len());
    a[strip(a)..] == b[strip(b)..]
}

/// The samples that a file holds of a tensor of this shape: one, or one for each row of its first axis.
pub fn samples(loaded: &Loaded, shape: &[usize]) -> Result<Vec<Tensor>, CliError> {
    let pixels = without_alpha(loaded, shape)?;
    let given = pixels.shape();
    if same(given, shape) {
        return Ok(vec![reshape(loaded, pixels.clone(), shape)?]);
    }
    if has_rows(loaded, given, shape) {
        return (0..given[0]).map(|i| row(loaded, &pixels, i, shape)).collect();
    }
    Err(loaded.error(format!("has shape {given:?}, should be {shape:?}, or rows of it")))
}

/// The one tensor of this shape that is meant: the whole file, or its row `sample`.
pub fn one(loaded: &Loaded, shape: &[usize], sample: Option<usize>) -> Result<Tensor, CliError> {
    let tensor = without_alpha(loaded, shape)?;
    let given = tensor.shape();
    let rows_fit = has_rows(loaded, given, shape);
    match sample {
        Some(_) if is_picture(&loaded.path) => {
            Err(loaded.error("a picture is one sample: leave --sample out".to_string()))
        }
        Some(i) if rows_fit && i < given[0] => row(loaded, &tensor, i, shape),
        Some(i) if rows_fit => {
            Err(loaded.error(format!("has {} samples, numbered from 0: there is no sample {i}", given[0])))
        }
        Some(_) => Err(loaded.error(format!("has shape {given:?}, whose rows should be {shape:?}"))),
        None if same(given, shape) => reshape(loaded, tensor.clone(), shape),
        None if rows_fit => {
            let rows = given[0];
            Err(loaded.error(format!("has {rows} samples of {shape:?}: choose one with --sample I")))
        }
        None => Err(loaded.error(format!("has shape {given:?}, should be {shape:?}"))),
    }
}

/// True where a file that is no picture has rows of this shape.
fn has_rows(loaded: &Loaded, given: &[usize], shape: &[usize]) -> bool {
    !is_picture(&loaded.path) && given.first().is_some_and(|&n| n > 0) && same(&given[1..], shape)
}

fn reshape(loaded: &Loaded, tensor: Tensor, shape: &[usize]) -> Result<Tensor, CliError> {
    tensor.reshaped(shape.to_vec()).map_err(|error| loaded.error(error.to_string()))
}

fn row(loaded: &Loaded, tensor: &Tensor, i: usize, shape: &[usize]) -> Result<Tensor, CliError> {
    let cells: usize = shape.iter().product();
    let data = tensor.data().select(i * cells..(i + 1) * cells);
    Tensor::new(shape.to_vec(), data).map_err(|error| loaded.error(error.to_string()))
}

/// A picture without an alpha channel that is opaque everywhere; other tensors as they are.
fn without_alpha(loaded: &Loaded, shape: &[usize]) -> Result<Tensor, CliError> {
    let tensor = &loaded.tensor;
    let &[channels @ (2 | 4), height, width] = tensor.shape() else { return Ok(tensor.clone()) };
    if !is_picture(&loaded.path) || same(tensor.shape(), shape) {
        return Ok(tensor.clone());
    }
    let colors = (channels - 1) * height * width;
    if tensor.slice::<u8>().is_ok_and(|bytes| bytes[colors..].iter().any(|&alpha| alpha != 255)) {
        return Err(loaded.error("the picture is transparent in places: save it without an alpha channel"));
    }
    Tensor::new(vec![channels - 1, height, width], tensor.data().select(0..colors))
        .map_err(|error| loaded.error(error.to_string()))
}

fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"))
}

/// Pixels as the real values that the model takes: `(p * scale - mean[c]) / std[c]`.
pub fn pixels(tensor: &Tensor, image: &ImageInput) -> Option<Tensor> {
    let bytes = tensor.slice::<u8>().ok()?;
    let shape = tensor.shape();
    let plane: usize = shape[shape.len().saturating_sub(2)..].iter().product();
    let of = |list: &[f64], channel: usize, default: f64| match list {
        [] => default,
        [one] => *one,
        several => several.get(channel).copied().unwrap_or(default),
    };
    let channels = shape.len().checked_sub(3).map_or(1, |axis| shape[axis]);
    let value = |(i, &byte): (usize, &u8)| {
        let channel = i / plane.max(1) % channels.max(1);
        let centred = f64::from(byte) * image.scale - of(&image.mean, channel, 0.0);
        (centred / of(&image.std, channel, 1.0)) as f32
    };
    let values: Vec<f32> = bytes.iter().enumerate().map(value).collect();
    Tensor::new(shape.to_vec(), values).ok()
}

/// A tensor of the type that a float graph's input has, from a file's: floats for floats, integers for integers, and
/// pixels where the model takes a picture.
pub fn typed(
    loaded: &Loaded,
    tensor: Tensor,
    wanted: DType,
    image: Option<&ImageInput>,
) -> Result<Tensor, CliError> {
    if let Some(converted) = image.and_then(|image| pixels(&tensor, image)) {
        return Ok(converted.cast(wanted));
    }
    let given = tensor.dtype();
    let exact = match (given.is_float(), wanted.is_float()) {
        (true, true) => {
            finite(loaded, &tensor)?;
            true
        }
        (false, false) => tensor.cast(wanted).integers().ok() == tensor.integers().ok(),
        _ => false,
    };
    match exact {
        true => Ok(tensor.cast(wanted)),
        false => Err(wrong_type(loaded, given, &wanted.to_string())),
    }
}

fn wrong_type(loaded: &Loaded, given: DType, wanted: &str) -> CliError {
    let picture = given == DType::U8 && wanted.starts_with("float");
    let hint = match picture {
        true => "; a model that takes pictures is compiled with --image-scale, --image-mean, --image-std",
        false => "",
    };
    loaded.error(format!("holds {given}, the model takes {wanted}{hint}"))
}

fn finite(loaded: &Loaded, tensor: &Tensor) -> Result<(), CliError> {
    let place = match tensor.data() {
        Data::F64(values) => values.iter().position(|x| !x.is_finite()),
        _ => tensor.to_f32().iter().position(|x| !x.is_finite()),
    };
    let Some(i) = place else { return Ok(()) };
    let value = tensor.to_f32()[i];
    let place = element(tensor.shape(), i);
    Err(loaded.error(format!("element {place} is {value}; only finite numbers can be used")))
}

/// An element's place in a tensor: `[0, 3, 5]`.
pub fn element(shape: &[usize], mut i: usize) -> String {
    let mut place = vec![0; shape.len()];
    for (axis, &size) in shape.iter().enumerate().rev() {
        place[axis] = i % size.max(1);
        i /= size.max(1);
    }
    format!("{place:?}")
}

/// The integers of an output: those of a file, or those that a file of real values is of, exactly.
pub fn output_integers(program: &Program, index: usize, given: &Tensor) -> Option<IntTensor> {
    let output = &program.outputs[index];
    let shape = program.operations[output.operation].shape.clone();
    if let Ok(values) = given.integers() {
        return Some(IntTensor { shape, values });
    }
    let given = given.to_f32();
    let nearest = |x: &f32| (f64::from(*x) / output.scale).round_ties_even() as i64;
    let tensor = IntTensor { shape, values: given.iter().map(nearest).collect() };
    (dequantise_output(program, index, &tensor).to_f32() == given).then_some(tensor)
}

/// An element in words: a number of either precision, and the bits of a binary32.
pub fn shown(precision: Precision, value: i64) -> String {
    match precision {
        Precision::Int8 => value.to_string(),
        Precision::F32 => format!("{:e} ({value:#010x})", f32::from_bits(value as u32)),
    }
}

/// Refuses what is no folder.
pub fn is_folder(path: &Path) -> Result<(), CliError> {
    match path.is_dir() {
        true => Ok(()),
        false => Err(CliError::content(path, "is no folder")),
    }
}

/// The integers that a program's input takes from a file, and how many of them saturate.
pub fn integers(
    program: &Program,
    index: usize,
    loaded: &Loaded,
    sample: Option<usize>,
) -> Result<(IntTensor, usize), CliError> {
    let input = &program.inputs[index];
    let tensor = one(loaded, input.shape.sizes(), sample)?;
    let tensor = input.image.as_ref().and_then(|image| pixels(&tensor, image)).unwrap_or(tensor);
    if tensor.dtype().is_float() {
        finite(loaded, &tensor)?;
    } else if input.scale != 1.0 {
        return Err(wrong_type(loaded, tensor.dtype(), "floats"));
    }
    let tensor = if is_of_width(input, tensor.dtype()) { tensor } else { tensor.cast(DType::F32) };
    let outside = |x: f32| {
        let q = (f64::from(x) / input.scale).round_ties_even();
        q < input.bounds.lo as f64 || q > input.bounds.hi as f64
    };
    let saturated = match tensor.dtype().is_float() {
        true => tensor.to_f32().into_iter().filter(|&x| outside(x)).count(),
        false => 0,
    };
    Ok((quantise_input(program, index, &tensor), saturated))
}

/// True where an input of the program holds exactly the values of an integer type, less a zero point; or the type
/// is wide and has no zero point.
fn is_of_width(input: &Input, dtype: DType) -> bool {
    match dtype {
        DType::U8 | DType::I8 => input.bounds.count() == 1 << 8,
        DType::U16 | DType::I16 => input.bounds.count() == 1 << 16,
        _ => !dtype.is_float() && dtype != DType::Bool,
    }
}

/// All inputs of a program from files, with a note where values saturate.
pub fn read_inputs(
    program: &Program,
    files: &[String],
    sample: Option<usize>,
) -> Result<(Vec<IntTensor>, Vec<String>), CliError> {
    let names: Vec<&str> = program.inputs.iter().map(|input| input.name.as_str()).collect();
    let mut tensors = Vec::new();
    let mut notes = Vec::new();
    for (index, given) in assign(files, &names, "input", false)?.iter().enumerate() {
        let input = &program.inputs[index];
        let loaded = given.first().ok_or_else(|| missing(input))?;
        let (tensor, saturated) = integers(program, index, loaded, sample)?;
        if saturated > 0 {
            let all = tensor.values.len();
            let name = &input.name;
            notes.push(format!("{saturated} of {all} elements of input {name} are out of range: saturated"));
        }
        tensors.push(tensor);
    }
    Ok((tensors, notes))
}

/// The numbers that an f32 program's input takes from a file: floats as they are, pixels where the model takes a picture,
/// integers where binary32 holds them exactly.
pub fn reals(
    program: &Program,
    index: usize,
    loaded: &Loaded,
    sample: Option<usize>,
) -> Result<RealTensor, CliError> {
    let input = &program.inputs[index];
    // A file that is the input as it is has no rows to choose from.
    let sample = sample.filter(|_| !same(loaded.tensor.shape(), input.shape.sizes()));
    let tensor = one(loaded, input.shape.sizes(), sample)?;
    let tensor = input.image.as_ref().and_then(|image| pixels(&tensor, image)).unwrap_or(tensor);
    if let Ok(integers) = tensor.integers()
        && let Some(i) = integers.iter().position(|&x| x as f32 as i64 != x)
    {
        let place = element(tensor.shape(), i);
        return Err(loaded.error(format!("element {place} is {}: binary32 does not hold it", integers[i])));
    }
    let bits = tensor.to_f32().into_iter().map(f32::to_bits).collect();
    Ok(RealTensor { shape: input.shape.clone(), bits })
}

/// All inputs of a program of either precision from files, with a note where values saturate.
pub fn read_run_inputs(
    program: &Program,
    files: &[String],
    sample: Option<usize>,
) -> Result<(Tensors, Vec<String>), CliError> {
    if program.precision == Precision::Int8 {
        let (tensors, notes) = read_inputs(program, files, sample)?;
        return Ok((Tensors::Integers(tensors), notes));
    }
    let names: Vec<&str> = program.inputs.iter().map(|input| input.name.as_str()).collect();
    let (mut tensors, mut notes) = (Vec::new(), Vec::new());
    for (index, given) in assign(files, &names, "input", false)?.iter().enumerate() {
        let input = &program.inputs[index];
        let loaded = given.first().ok_or_else(|| missing(input))?;
        tensors.push(reals(program, index, loaded, sample)?);
        if loaded.tensor.dtype() == DType::U8 && input.image.is_none() && input.shape.sizes().len() > 2 {
            let name = &input.name;
            notes.push(format!("bytes of input {name} are the numbers 0 to 255 (compile --image-scale)"));
        }
    }
    Ok((Tensors::Reals(tensors), notes))
}

fn missing(input: &Input) -> CliError {
    CliError::Usage(format!("input {} of shape {:?} is missing", input.name, input.shape.sizes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(shape: &[usize]) -> Loaded {
        let values: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
        Loaded { path: "x.npy".into(), tensor: Tensor::new(shape.to_vec(), values).unwrap() }
    }

    #[test]
    fn rows_are_chosen_and_leading_ones_ignored() {
        assert_eq!(one(&loaded(&[2, 3]), &[1, 2, 3], None).unwrap().shape(), [1, 2, 3]);
        assert_eq!(one(&loaded(&[4, 3]), &[1, 3], Some(2)).unwrap().to_f32(), [6.0, 7.0, 8.0]);
        let many = one(&loaded(&[4, 3]), &[1, 3], None).unwrap_err().to_string();
        assert!(many.contains("--sample"), "{many}");
        assert!(one(&loaded(&[4, 3]), &[1, 3], Some(4)).unwrap_err().to_string().contains("4 samples"));
        assert!(one(&loaded(&[3, 2]), &[2, 3], None).is_err());
        assert_eq!(samples(&loaded(&[4, 3]), &[1, 3]).unwrap().len(), 4);
        assert_eq!(samples(&loaded(&[3]), &[1, 3]).unwrap().len(), 1);
    }

    #[test]
    fn pixels_are_normalised_by_channel() {
        let image = ImageInput { scale: 0.5, mean: vec![1.0, 2.0], std: vec![1.0, 4.0] };
        let tensor = Tensor::new(vec![1, 2, 1, 2], vec![2u8, 4, 8, 12]).unwrap();
        assert_eq!(pixels(&tensor, &image).unwrap().to_f32(), [0.0, 1.0, 0.5, 1.0]);
    }

    #[test]
    fn an_element_is_named_by_its_place() {
        assert_eq!(element(&[2, 3], 5), "[1, 2]");
        assert_eq!(element(&[], 0), "[]");
    }
}
