//! A service that pays for verified results only: `embed MODEL.assay|MODEL.vk RESULT.proof`

use assay_circuits::program::Program;
use assay_verifier::bundle;
use assay_verifier::key::VerifyingKey;
use assay_verifier::statement::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, proof] = arguments.as_slice() else { return Err("usage: embed MODEL RESULT.proof".into()) };
    let model = std::fs::read(model)?;
    let key = match Program::decode(&model) {
        Ok(program) => VerifyingKey::public(program)?,
        Err(_) => VerifyingKey::decode(&model)?,
    };
    let (verdict, statement) = bundle::verify(&key, &std::fs::read(proof)?)?;
    println!("verified, {} bits", verdict.security_bits);
    for (output, value) in key.program().outputs.iter().zip(&statement.outputs) {
        match value {
            Value::Public(tensor) => println!("{} = {:?}", output.name, tensor.values),
            Value::Committed(rows) => println!("{} is committed in {} rows", output.name, rows.len()),
        }
    }
    Ok(())
}
