//! `assay audit`: a drawn sample of a receipt, opened by the provider and recomputed by the buyer.

use crate::args::{OutArgs, input_files};
use crate::beacon::{parse_hex, read_beacon};
use crate::dispute::RunOfArgs;
use crate::error::CliError;
use crate::model::read_program;
use crate::progress::Progress;
use crate::receipt::{PinArgs, other_inputs, other_program, read, rejected};
use crate::report::{self, Report};
use crate::tensors::{self, read_run_inputs, shown};
use assay_circuits::program::Program;
use assay_circuits::root::Digest32;
use assay_prover::audit::{AnswerError, answer, check};
use assay_prover::beacon::{self, Round};
use assay_prover::envelope::Evidence;
use assay_prover::files::{read_bytes, write_atomically};
use assay_verifier::audit::{Answer, AuditError};
use assay_verifier::draw::{MAX_SAMPLES, Sample, draw, weights};
use assay_verifier::hex::Hex;
use assay_verifier::keccak::keccak256;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

const EXAMPLES: &str = "\
Examples, in the order of an audit:
  assay audit draw r.json --model m.assay --nonce 5f..e1 -n 40 -o draw.json       the buyer, who has the receipt
  assay audit answer draw.json --receipt r.json --model m.assay --input x.npy -o answer     the provider
  assay audit check r.json draw.json answer --model m.assay --input x.npy         the buyer

The randomness must be fixed after the receipt: a nonce that the buyer committed to in the terms and reveals now, or a \
round of drand that began after the receipt was there (--beacon ROUND.json --after TIME). An answer that does not come has \
failed. Exit code of check: 0 the sample is right, 1 it is not, 2 an error of usage or input.";

/// Arguments of `assay audit`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Draws the sample.
    Draw(DrawArgs),
    /// Opens what the sample needs.
    Answer(AnswerArgs),
    /// Recomputes the sample from what is opened.
    Check(CheckArgs),
}

impl AuditArgs {
    /// Takes the step.
    pub fn execute(&self) -> Result<Report, CliError> {
        match &self.step {
            Step::Draw(args) => args.execute(),
            Step::Answer(args) => args.execute(),
            Step::Check(args) => args.execute(),
        }
    }
}

/// Arguments of `assay audit draw`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct DrawArgs {
    /// The receipt.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    model: PathBuf,
    /// The nonce that the terms commit to: 64 hexadecimal digits.
    #[arg(long, value_name = "HEX", value_parser = parse_nonce, conflicts_with = "beacon", required_unless_present = "beacon")]
    nonce: Option<Digest32>,
    /// A round of drand as its interface gives it, or a file of 32 bytes that were fixed after the receipt.
    #[arg(long, value_name = "FILE")]
    beacon: Option<PathBuf>,
    /// When the receipt was there, seconds since 1970: a round of drand must begin later.
    #[arg(long, value_name = "TIME")]
    after: Option<u64>,
    /// Number of samples.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_SAMPLES)))]
    samples: u32,
    #[command(flatten)]
    pin: PinArgs,
    #[command(flatten)]
    out: OutArgs,
}

fn parse_nonce(text: &str) -> Result<Digest32, String> {
    parse_hex(text.strip_prefix("0x").unwrap_or(text)).ok_or("should be 64 hexadecimal digits".to_string())
}

/// A draw in its file. The samples follow from the rest: they are there to be read, and compared.
#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Draw {
    receipt: String,
    program: String,
    randomness: String,
    /// The round of drand that the randomness is from, if it is from one.
    round: Option<Round>,
    samples: u32,
    drawn: Vec<Drawn>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Drawn {
    operation: usize,
    chunk: u64,
}

impl Draw {
    fn new(
        program: &Program,
        receipt: &Digest32,
        randomness: &Digest32,
        round: Option<Round>,
        samples: u32,
    ) -> Draw {
        let drawn = draw(program, receipt, randomness, samples).into_iter();
        Draw {
            receipt: Hex(receipt).to_string(),
            program: Hex(&program.root()).to_string(),
            randomness: Hex(randomness).to_string(),
            round,
            samples,
            drawn: drawn.map(|Sample { operation, chunk }| Drawn { operation, chunk }).collect(),
        }
    }

    /// Reads a draw, and checks that its samples are those that it says to be drawn from, and its receipt this one.
    fn read(path: &Path, program: &Program, evidence: &Evidence) -> Result<(Source, Vec<Sample>), CliError> {
        let bytes = read_bytes(path)?;
        let draw: Draw = serde_json::from_slice(&bytes)
            .map_err(|error| CliError::content(path, format!("is no draw: {error}")))?;
        let digest = |text: &str, what: &str| {
            parse_hex(text).ok_or_else(|| CliError::content(path, format!("its {what} is malformed")))
        };
        let (receipt, randomness) =
            (digest(&draw.receipt, "receipt")?, digest(&draw.randomness, "randomness")?);
        if draw.samples > MAX_SAMPLES {
            return Err(CliError::content(path, "has too many samples"));
        }
        let again = Draw::new(program, &receipt, &randomness, draw.round.clone(), draw.samples);
        if again != draw {
            let problem = "its samples are not those of its receipt, program and randomness";
            return Err(CliError::content(path, problem));
        }
        if evidence.receipt.hash() != receipt {
            return Err(CliError::content(path, "is a draw for another receipt"));
        }
        let words = from(&randomness, draw.round.as_ref(), evidence);
        let words = words.map_err(|problem| CliError::content(path, problem))?;
        let samples = draw.drawn.iter();
        let samples =
            samples.map(|drawn| Sample { operation: drawn.operation, chunk: drawn.chunk }).collect();
        Ok((Source { words, samples: draw.samples }, samples))
    }
}

/// Where a draw is from.
struct Source {
    words: String,
    samples: u32,
}

/// What randomness is, in words; or why it is not what the terms of a receipt ask for.
fn from(randomness: &Digest32, round: Option<&Round>, evidence: &Evidence) -> Result<String, String> {
    let terms = evidence.agreement.as_ref().map(|agreement| &agreement.terms);
    let nonce = terms.map(|terms| terms.audit_commitment).filter(|commitment| *commitment != [0; 32]);
    let chain = terms.filter(|terms| terms.beacon_kind == 1).map(|terms| Hex(&terms.beacon).to_string());
    let Some(round) = round else {
        return match (nonce, chain) {
            (Some(nonce), _) if keccak256(&[randomness]) == nonce => {
                Ok("the nonce that the terms commit to".to_string())
            }
            (Some(_), _) => Err("the terms commit to another nonce".to_string()),
            (None, Some(_)) => Err("the terms name a beacon: the randomness is a round of it".to_string()),
            (None, None) => Ok("randomness that no terms speak of".to_string()),
        };
    };
    let (own, found) = beacon::verify(round).map_err(|error| error.to_string())?;
    match (nonce, chain) {
        _ if found != *randomness => Err("the randomness is not its round's".to_string()),
        (_, Some(chain)) if chain != own.hash => Err("the terms name another beacon".to_string()),
        (Some(_), None) => Err("the terms commit to a nonce, and name no beacon".to_string()),
        _ => Ok(format!("round {} of drand's {}", round.round, own.name)),
    }
}

impl DrawArgs {
    fn execute(&self) -> Result<Report, CliError> {
        let program = read_program(&self.model)?;
        let (evidence, signer) = match read(&self.receipt, &self.pin)? {
            Ok(opened) => opened,
            Err(reason) => return Ok(rejected(reason, None)),
        };
        if let Some(reason) = other_program(&evidence, &program) {
            return Ok(rejected(reason, Some((&evidence, signer))));
        }
        let (randomness, round) = self.randomness()?;
        let words = from(&randomness, round.as_ref(), &evidence).map_err(CliError::Usage)?;
        let draw = Draw::new(&program, &evidence.receipt.hash(), &randomness, round, self.samples);
        let text =
            serde_json::to_string_pretty(&draw).map_err(|error| CliError::Internal(error.to_string()))?;
        write_atomically(&self.out.out, format!("{text}\n").as_bytes())?;
        let lines = [
            format!("drawn           {} samples in {}", self.samples, self.out.out.display()),
            format!("randomness      {words}"),
        ];
        Ok(Report::done(
            lines.join("\n"),
            json!({ "draw": draw, "source": words, "file": self.out.out.display().to_string() }),
        ))
    }

    /// The randomness, and the round that it is from.
    fn randomness(&self) -> Result<(Digest32, Option<Round>), CliError> {
        let of_rounds = || {
            let why = "--after is about rounds of drand: a nonce or a file has no time";
            self.after.map_or(Ok(()), |_| Err(CliError::Usage(why.to_string())))
        };
        if let Some(nonce) = self.nonce {
            of_rounds()?;
            return Ok((nonce, None));
        }
        let Some(path) = &self.beacon else { return Err(CliError::Usage("--nonce or --beacon".to_string())) };
        let bytes = read_bytes(path)?;
        let Ok(round) = serde_json::from_slice::<Round>(&bytes) else {
            of_rounds()?;
            return Ok((read_beacon(path)?, None));
        };
        let Some(after) = self.after else {
            let needed = "--after TIME: a round counts only where it began after the receipt was there";
            return Err(CliError::Usage(needed.to_string()));
        };
        let (_, randomness) = beacon::verify_after(&round, after)
            .map_err(|error| CliError::content(path, error.to_string()))?;
        Ok((randomness, Some(round)))
    }
}

/// Arguments of `assay audit answer`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct AnswerArgs {
    /// The draw.
    #[arg(value_name = "DRAW.json")]
    draw: PathBuf,
    #[command(flatten)]
    run: RunOfArgs,
    /// The receipt that the draw is for.
    #[arg(long, value_name = "RECEIPT.json")]
    receipt: PathBuf,
    #[command(flatten)]
    out: OutArgs,
}

impl AnswerArgs {
    fn execute(&self) -> Result<Report, CliError> {
        let progress = Progress::start("running");
        let (program, run) = self.run.read()?;
        let (evidence, _) = read(&self.receipt, &PinArgs::default())?
            .map_err(|reason| CliError::content(&self.receipt, reason))?;
        let (_, samples) = Draw::read(&self.draw, &program, &evidence)?;
        progress.phase("opening");
        let start = Instant::now();
        let answer = answer(&program, &evidence.receipt, &samples, &run).map_err(|error| match &error {
            AnswerError::Draw(_) => CliError::content(&self.draw, error.to_string()),
            AnswerError::Trace => match &self.run.trace_dir {
                Some(folder) => CliError::content(folder, error.to_string()),
                None => CliError::Usage(error.to_string()),
            },
        })?;
        let bytes = answer.encode();
        let took = start.elapsed();
        // What is not of the receipt is no answer. What is, and is wrong, is for the buyer to find.
        if let Err(error) = check(&program, &evidence.receipt, &samples, &answer)
            && !matches!(error, AuditError::Wrong { .. })
        {
            let error = in_words(&program, &error);
            return Err(CliError::Usage(format!("this run is not the receipt's: {error}")));
        }
        write_atomically(&self.out.out, &bytes)?;
        drop(progress);
        let chunks: usize = answer.slices.iter().map(|(_, slice)| slice.chunks.len()).sum();
        let lines = [format!(
            "opened          {chunks} chunks of {} tensors, {} in {}, in {}",
            answer.slices.len(),
            report::size(bytes.len()),
            self.out.out.display(),
            report::time(took)
        )];
        let json = json!({
            "bytes": bytes.len(),
            "chunks": chunks,
            "tensors": answer.slices.len(),
            "times": { "answer_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}

/// Arguments of `assay audit check`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
struct CheckArgs {
    /// The receipt.
    #[arg(value_name = "RECEIPT.json")]
    receipt: PathBuf,
    /// The draw.
    #[arg(value_name = "DRAW.json")]
    draw: PathBuf,
    /// The provider's answer.
    #[arg(value_name = "ANSWER")]
    answer: PathBuf,
    /// The program.
    #[arg(long, value_name = "MODEL.assay")]
    model: PathBuf,
    /// Your own files of all inputs; a difference is a rejection.
    #[arg(short, long, value_name = "[NAME=]FILE", num_args = 1..)]
    input: Vec<String>,
    /// Takes row I, from 0 on, of each file of inputs.
    #[arg(long, value_name = "I")]
    sample: Option<usize>,
    /// A folder for the inputs that no file is given for, NAME.next.npy or NAME.npy.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What the job pays, in any unit: the report then names the bond that makes cheating unprofitable.
    #[arg(long, value_name = "PRICE", default_value_t = 1.0, value_parser = crate::args::parse_finite)]
    price: f64,
    /// What a cheat wins or saves, in the same unit; the price unless given.
    #[arg(long, value_name = "GAIN", value_parser = crate::args::parse_finite)]
    gain: Option<f64>,
    /// The chance that anybody audits this job at all.
    #[arg(long, value_name = "Q", default_value_t = 1.0, value_parser = crate::args::parse_finite)]
    chance: f64,
    #[command(flatten)]
    pin: PinArgs,
}

impl CheckArgs {
    fn execute(&self) -> Result<Report, CliError> {
        if !(self.chance > 0.0 && self.chance <= 1.0) {
            return Err(CliError::Usage("--chance: should be above 0 and at most 1".to_string()));
        }
        let program = read_program(&self.model)?;
        let (evidence, signer) = match read(&self.receipt, &self.pin)? {
            Ok(opened) => opened,
            Err(reason) => return Ok(rejected(reason, None)),
        };
        let opened = Some((&evidence, signer));
        if let Some(reason) = other_program(&evidence, &program) {
            return Ok(rejected(reason, opened));
        }
        let inputs = match self.input.is_empty() && self.state.is_none() {
            true if self.pin.terms.is_some() => "those of your terms".to_string(),
            true => "not compared with files of yours (--input)".to_string(),
            false => {
                let files = input_files(&program, &self.input, self.state.as_deref());
                let (inputs, _) = read_run_inputs(&program, &files, self.sample)?;
                if let Some(reason) = other_inputs(&program, &evidence.receipt, &inputs) {
                    return Ok(rejected(reason, opened));
                }
                "all equal to your files".to_string()
            }
        };
        let (draw, samples) = Draw::read(&self.draw, &program, &evidence)?;
        let bytes = read_bytes(&self.answer)?;
        let start = Instant::now();
        let verdict = Answer::decode(&bytes)
            .map_err(Into::into)
            .and_then(|answer| check(&program, &evidence.receipt, &samples, &answer));
        let took = start.elapsed();
        if let Err(error) = verdict {
            let mut report = rejected(in_words(&program, &error), opened);
            report.json["kind"] = json!("audit");
            return Ok(report);
        }
        let worth =
            Worth::new(&program, draw.samples, self.chance, self.gain.unwrap_or(self.price), self.price);
        let mut lines = vec![
            format!(
                "AUDITED         {} samples in {}: every element is right",
                samples.len(),
                report::time(took)
            ),
            format!("receipt         {}", Hex(&evidence.receipt.hash())),
            format!("signer          {signer}"),
            format!("inputs          {inputs}"),
            format!("drawn from      {}", draw.words),
            format!("answer          {}", report::size(bytes.len())),
        ];
        lines.extend(worth.lines(self.chance));
        let json = json!({
            "kind": "audit",
            "verdict": "audited",
            "samples": samples.len(),
            "inputs": inputs,
            "source": draw.words,
            "answer_bytes": bytes.len(),
            "worth": worth.json(),
            "times": { "check_ms": report::milliseconds(took) },
        });
        Ok(Report::done(lines.join("\n"), json))
    }
}

/// Why an audit fails, with the program's names.
fn in_words(program: &Program, error: &AuditError) -> String {
    match error {
        AuditError::Wrong { operation, element, found, expected } => {
            let operation_ = &program.operations[*operation];
            let place = tensors::element(operation_.shape.sizes(), *element as usize);
            let [found, expected] = [found, expected].map(|bits| shown(program.precision, *bits as i64));
            let name = &operation_.name;
            format!(
                "operation {operation} ({name}): element {place} is {found} in the trace, {expected} here"
            )
        }
        AuditError::Digest { source_name: "input", number } => match program.inputs.get(*number) {
            Some(input) => format!("input {}: what is opened is not of the receipt's digest", input.name),
            None => error.to_string(),
        },
        _ => error.to_string(),
    }
}

/// What a sample is worth: deterrence, not soundness.
struct Worth {
    /// Probability that one wrong chunk of the operation where a chunk weighs least is drawn.
    least: f64,
    /// The same of the operation where a chunk weighs most.
    most: f64,
    /// (fraction of the weight that is wrong, probability that it is caught).
    fractions: [(f64, f64); 3],
    /// The bond from which on cheating with a tenth of the work loses money on average.
    bond: f64,
    /// What the job pays, in the same unit.
    price: f64,
}

impl Worth {
    fn new(program: &Program, samples: u32, chance: f64, gain: f64, price: f64) -> Worth {
        let weights = weights(program);
        let total = weights.iter().sum::<u128>().max(1) as f64;
        let chunk = |(operation, weight): (usize, &u128)| {
            *weight as f64 / total / assay_verifier::draw::chunks(program, operation).max(1) as f64
        };
        let shares: Vec<f64> = weights.iter().enumerate().map(chunk).collect();
        let caught = |share: f64| 1.0 - (1.0 - share).powf(samples.into());
        let least = shares.iter().copied().fold(1.0, f64::min);
        let most = shares.iter().copied().fold(0.0, f64::max);
        let fractions = [0.01, 0.1, 0.5].map(|share| (share, caught(share)));
        // B (1 - 1/4) + price >= gain (1 - q) / q, a quarter of the bond being the prize that a cheat may win itself.
        let q = chance * caught(0.1);
        let bond = ((gain * (1.0 - q) / q - price) / 0.75).max(0.0);
        Worth { least: caught(least), most: caught(most), fractions, bond, price }
    }

    fn lines(&self, chance: f64) -> Vec<String> {
        let percent = |x: f64| format!("{:.3} %", 100.0 * x);
        let mut lines = vec![format!(
            "worth           one wrong chunk is caught with {} to {}",
            percent(self.least),
            percent(self.most)
        )];
        for (share, caught) in self.fractions {
            lines.push(format!(
                "                {} of the work wrong: caught with {}",
                percent(share),
                percent(caught)
            ));
        }
        lines.push(format!(
            "bond            from {:.3} on, where the job pays {}, faking a tenth of the work loses money if an audit comes with chance {chance}",
            self.bond, self.price
        ));
        lines
    }

    fn json(&self) -> Value {
        json!({
            "one_wrong_chunk": { "least": self.least, "most": self.most },
            "fractions": self.fractions.map(|(share, caught)| json!({ "wrong": share, "caught": caught })),
            "bond_against_a_tenth": self.bond,
        })
    }
}
