//! `dispute`: jobs before the contracts on a node of their own, agents as processes that are killed at will.

use crate::chain::{Agent, Chain, RICH};
use crate::models::{floats, perceptron};
use crate::training;
use crate::world::{Answer, World, asset};
use assay_circuits::program::Program;
use assay_circuits::tensor::RealTensor;
use assay_prover::dispute::Record;
use assay_prover::envelope::open;
use assay_prover::files::npy;
use assay_prover::run::{Run, Tensors};
use assay_verifier::dispute::{Claim, Groups, Open};
use assay_verifier::referee::pack_states;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const DAY: u64 = 86_400;
const CLOCK: u64 = 8 * 3_600;

/// A job on a chain: a program, its inputs, and three accounts with money.
struct Job {
    chain: Chain,
    world: World,
    /// `--model` and `--input`.
    of: String,
    provider: String,
    challenger: String,
    buyer: String,
}

impl Job {
    /// The contracts on a new chain, and the accounts; none where there is no node.
    fn new(options: &[&str], world: World, of: &str) -> Option<Job> {
        let chain = Chain::start(options)?;
        let [buyer, provider, challenger] =
            ["buyer", "provider", "challenger"].map(|name| chain.account(&world, name));
        world.assay(&format!("dispute deploy {} -o contracts.json", chain.wallet("buyer"))).done();
        Some(Job { chain, world, of: of.to_string(), provider, challenger, buyer })
    }

    /// A float LeNet that reads a digit.
    fn lenet(options: &[&str]) -> Option<Job> {
        let world = World::new();
        let (model, digits) = (asset("mnist_lenet.onnx"), asset("digits.npy"));
        world.assay(&format!("compile {model} --precision f32 -o m.assay")).done();
        Job::new(options, world, &format!("--model m.assay --input {digits} --sample 3"))
    }

    fn run(&self, line: &str) -> Answer {
        self.world.assay(line)
    }

    /// Runs the program with the terms in place, its receipt in `r.json`, its trace in `trace`; `fault` may be `--flip`.
    fn receipt(&self, fault: &str) {
        for old in ["trace", "out"] {
            let _ = std::fs::remove_dir_all(self.world.path(old));
        }
        let of = self.of.replacen("--model ", "", 1);
        let line = format!(
            "run {of} --receipt r.json --signer provider.pem --terms terms.json --trace-dir trace -o out"
        );
        self.run(&format!("{line} {fault}")).done();
    }

    /// Offers a job.
    fn offer(&self, more: &str) {
        let Job { chain, of, provider, .. } = self;
        let wallet = chain.wallet("buyer");
        let _ = std::fs::remove_file(self.world.path("terms.json"));
        let offer = format!(
            "dispute offer {wallet} --contracts contracts.json {of} --provider {provider} --price 0.1ether"
        );
        self.run(&format!("{offer} {more} -o terms.json")).done();
    }

    /// Offers and accepts.
    fn offered(&self) {
        let Job { chain, of, .. } = self;
        self.offer("");
        self.run(&format!("dispute accept terms.json {} {of}", chain.wallet("provider"))).done();
    }

    /// Offers, accepts and posts; the receipt is that of a run with this fault.
    fn posted(&self, fault: &str) {
        self.offered();
        self.receipt(fault);
        self.post().done();
    }

    fn post(&self) -> Answer {
        let (_, rest) = self.of.split_once("--model ").unwrap();
        let model = rest.split(' ').next().unwrap();
        self.run(&format!("dispute post r.json --model {model} {}", self.chain.wallet("provider")))
    }

    fn provider_line(&self) -> String {
        let wallet = self.chain.wallet("provider");
        format!("terms.json --as provider {wallet} {} --trace-dir trace --agent-state p.state", self.of)
    }

    fn challenger_line(&self, more: &str) -> String {
        let wallet = self.chain.wallet("challenger");
        format!("terms.json --as challenger {wallet} {} {more} --agent-state c.state", self.of)
    }

    fn status(&self) -> Value {
        self.run(&format!(
            "dispute status terms.json --rpc {} --of {} --json",
            self.chain.url, self.challenger
        ))
        .json()
    }

    /// Waits until the job's status is as asked for.
    #[track_caller]
    fn until(&self, is: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status = self.status();
            if is(&status) {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "{status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the only game is where the provider has to answer a claim.
    #[track_caller]
    fn until_claimed(&self) -> Value {
        self.until(|status| status["games"][0]["phase"] == "Answer")
    }

    /// Lets the provider's clock run out, then the time of the prize: the challenger wins, the provider loses.
    #[track_caller]
    fn falls(&self, challenger: &mut Agent, provider: &mut Agent) {
        self.chain.pass(CLOCK);
        self.until(|status| status["stage"] == "Fallen");
        self.chain.pass(CLOCK);
        assert_eq!((challenger.ends().0, provider.ends().0), (0, 1));
        self.adds_up();
    }

    /// Asserts that what the contract has is what it owes and what nobody gets.
    #[track_caller]
    fn adds_up(&self) {
        let contract = self.status()["contract"].as_str().unwrap().to_string();
        let status = self.status();
        let owed: u128 = status["accounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|account| account["credit"].as_str().unwrap().parse::<u128>().unwrap())
            .sum();
        let burned: u128 = status["burned"].as_str().unwrap().parse().unwrap();
        assert_eq!(self.chain.balance(&contract), owed + burned);
    }
}

fn number(value: &Value) -> u128 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn one_flipped_bit_in_a_trace_loses_on_a_node() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("--flip 3:1000");
    job.run(&format!("replay r.json {} --trace-dir trace", job.of))
        .rejected(&["operation 3", "element [1, 1, 1]"]);
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
    let bonds = job.until_claimed();
    assert_eq!(bonds["games"][0]["operation"], 3);
    job.chain.pass(CLOCK);
    job.until(|status| status["stage"] == "Fallen");
    job.chain.pass(CLOCK);
    let (code, report) = challenger.ends();
    assert_eq!((code, &report["won"]), (0, &json!(true)), "{report}");
    assert_eq!(provider.ends().0, 1);
    job.adds_up();
    // The challenger has its bond back, its gas, and a quarter of the provider's bond; the provider's bond is gone.
    let status = job.status();
    let (provider_bond, price) = (number(&status["provider_bond"]), number(&status["price"]));
    assert!(job.chain.balance(&job.challenger) > RICH, "its moves are paid and the prize is more");
    assert!(job.chain.balance(&job.provider) < RICH - provider_bond);
    assert!(
        number(&status["accounts"][0]["credit"]) > price,
        "the buyer has its price and a part of the bond"
    );
    let before = job.chain.balance(&job.buyer);
    job.run(&format!("dispute settle terms.json {}", job.chain.wallet("buyer"))).done();
    assert!(job.chain.balance(&job.buyer) > before + price);
    job.adds_up();
}

/// Opens games with a claim that an element has another last bit, every state before it true.
fn claim_falsely(job: &Job, operation: u32, games: usize) {
    let program = Program::decode(&job.world.read("m.assay")).unwrap();
    let digits = npy::decode(&std::fs::read(asset("digits.npy")).unwrap()).unwrap();
    let bits = digits.to_f32()[3 * 784..4 * 784].iter().map(|x| x.to_bits()).collect();
    let image = RealTensor { shape: program.inputs[0].shape.clone(), bits };
    let run = Run::new(&program, &Tensors::Reals(vec![image])).unwrap();
    let record = Record::new(&program, &run).unwrap();
    let ground = record.ground(open(&job.world.read("r.json")).unwrap().0.receipt.job);
    let (wire, (bytes, siblings)) =
        (record.own_wire(operation).unwrap(), record.own_chunk(operation, 0).unwrap());
    let descriptor = program.descriptor(operation as usize).unwrap();
    let (element, mut state) = (5, descriptor.start());
    let mut states = Vec::new();
    let groups = Groups { from: 0, to: descriptor.windows() };
    for windows in (0..groups.count()).filter_map(|group| groups.windows_of(group)) {
        state = record.advance(operation, element, windows, state).unwrap();
        states.push(state);
    }
    let value = record.finish(operation, element, state).unwrap() ^ 1;
    let claim = Claim { element, value, states: pack_states(&states, descriptor.words()) };
    let call =
        assay_contracts::open(&ground, [7; 32], &Open::Chunk { wire, chunk: 0, bytes, siblings, claim });
    let status = job.status();
    let (contract, bond) = (&status["contract"], number(&status["challenger_bond"]));
    job.chain.call("anvil_impersonateAccount", json!([job.challenger]));
    let transaction = json!({
        "from": job.challenger, "to": contract, "value": format!("{bond:#x}"), "data": call.data.to_string(),
    });
    for _ in 0..games {
        job.chain.call("eth_sendTransaction", json!([transaction]));
    }
}

#[test]
fn an_honest_provider_rebuts_a_false_claim_and_is_paid() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    claim_falsely(&job, 2, 1);
    assert_eq!(job.status()["games"][0]["phase"], "Answer");
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    job.until(|status| status["games"][0]["status"] == "Held");
    job.chain.pass(DAY);
    let (code, report) = provider.ends();
    assert_eq!((code, &report["stage"]), (0, &json!("Final")), "{report}");
    let status = job.status();
    let (price, bond) = (number(&status["price"]), number(&status["challenger_bond"]));
    assert!(
        job.chain.balance(&job.provider) > RICH + price,
        "price, gas and half of what is left of the bond"
    );
    assert!(job.chain.balance(&job.challenger) < RICH - bond);
    job.adds_up();
}

#[test]
fn a_challenger_whose_trace_is_false_has_no_claim_and_loses_its_bond() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    let of = job.of.replacen("--model ", "", 1);
    job.run(&format!("run {of} --receipt f.json --signer provider.pem --trace-dir false --flip 2:77 -o o"))
        .done();
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let mut challenger =
        job.chain.agent(&job.world, "c", &job.challenger_line("--trace-dir false --receipt r.json"));
    job.until(|status| status["games"][0]["phase"] == "ChooseChunk");
    job.chain.pass(DAY);
    assert_eq!(provider.ends().0, 0);
    let (code, report) = challenger.ends();
    assert_eq!((code, &report["won"]), (1, &json!(false)), "{report}");
    assert_eq!(job.status()["games"][0]["status"], "Held");
    job.adds_up();
}

#[test]
fn an_agent_with_nothing_to_dispute_says_so_and_opens_nothing() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
    // It leaves once the receipt is too deep in the chain to be replaced.
    job.chain.call("anvil_mine", json!(["0x40"]));
    let (code, report) = challenger.ends();
    assert_eq!((code, &report["outcome"]), (0, &json!("the receipt stands")));
    let line = job.challenger_line("");
    let line = line.replace("--as challenger", "");
    job.run(&format!("dispute open {line}")).refused(&["nothing to dispute"]);
    assert_eq!(job.status()["games"], json!([]));
}

#[test]
fn after_a_reorganisation_agents_play_the_receipt_that_stands() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.offered();
    let before = job.chain.call("evm_snapshot", json!([]));
    job.receipt("--flip 3:1000");
    job.post().done();
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
    job.until(|status| status["games"][0]["status"] == "Open");
    // The chain takes the receipt back, and has another wrong one at a later time in its place.
    job.chain.call("evm_revert", json!([before]));
    job.chain.pass(60);
    job.receipt("--flip 1:2000");
    job.post().done();
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let status = job.until_claimed();
    assert_eq!((&status["games"][0]["operation"], &status["open_games"]), (&json!(1), &json!(1)));
    job.falls(&mut challenger, &mut provider);
}

#[test]
fn a_receipt_that_moves_to_an_earlier_block_is_found_again() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.offered();
    let before = job.chain.call("evm_snapshot", json!([]));
    job.chain.pass(120);
    job.chain.call("anvil_mine", json!(["0x20"]));
    job.receipt("");
    job.post().done();
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
    while !job.world.exists("c.state") {
        std::thread::sleep(Duration::from_millis(20));
    }
    job.chain.call("evm_revert", json!([before]));
    job.receipt("--flip 3:1000");
    job.post().done();
    // The agent that was there, and one that takes its state up.
    job.until(|status| status["games"][0]["status"] == "Open");
    challenger.kill();
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    job.until_claimed();
    job.falls(&mut challenger, &mut provider);
}

/// Nodes take so many topics in a filter, and answer so many questions at once.
#[test]
fn hundreds_of_games_are_read_and_a_false_claim_among_them_is_rebutted() {
    const GAMES: usize = 230;
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    claim_falsely(&job, 2, GAMES);
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let status = job.until(|status| status["open_games"] == 0);
    let games = status["games"].as_array().unwrap();
    assert!(games.len() == GAMES && games.iter().all(|game| game["status"] == "Held"));
    job.chain.pass(DAY);
    assert_eq!(provider.ends().0, 0);
    job.adds_up();
}

/// Moves that wait for a block together are replaced or mined in the place of the next agent's.
#[test]
fn an_agent_killed_while_many_moves_wait_for_a_block_makes_them_all() {
    const GAMES: usize = 60;
    let Some(job) = Job::lenet(&["--block-time", "1"]) else { return };
    job.posted("");
    claim_falsely(&job, 2, GAMES);
    job.until(|status| status["open_games"] == GAMES);
    let mut deaths = 0;
    for life in [300, 700, 500, 900, 400, 1100].iter().cycle() {
        let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
        std::thread::sleep(Duration::from_millis(*life));
        provider.kill();
        deaths += 1;
        if job.status()["open_games"] == 0 {
            break;
        }
        assert!(deaths < 60, "{}", job.status());
    }
    assert!(deaths > 2, "{deaths}");
    let status = job.status();
    assert!(status["games"].as_array().unwrap().iter().all(|game| game["status"] == "Held"));
    job.chain.call("evm_increaseTime", json!([DAY]));
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    assert_eq!(provider.ends().0, 0);
    job.adds_up();
}

#[test]
fn a_buyer_that_had_an_output_disclosed_can_still_challenge() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("--flip 3:1000");
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let wallet = job.chain.wallet("buyer");
    let ask = "dispute disclose r.json --model m.assay --output logits -o chunk.bin --every 50ms";
    job.run(&format!("{ask} {wallet}")).done();
    assert_eq!(job.status()["games"][0]["status"], "Held");
    let line = format!("terms.json --as challenger {wallet} {} --agent-state c.state", job.of);
    let mut challenger = job.chain.agent(&job.world, "c", &line);
    job.until(|status| status["games"][1]["phase"] == "Answer");
    job.chain.pass(CLOCK);
    job.until(|status| status["stage"] == "Fallen");
    job.chain.pass(CLOCK);
    let (code, report) = challenger.ends();
    assert_eq!((code, &report["won"]), (0, &json!(true)), "{report}");
    assert_eq!(provider.ends().0, 1);
    job.adds_up();
}

#[test]
fn a_strangers_moves_for_the_provider_do_not_confuse_its_agent() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    let of = job.of.replacen("--model ", "", 1);
    job.run(&format!("run {of} --receipt f.json --signer provider.pem --trace-dir false --flip 2:77 -o o"))
        .done();
    job.chain.account(&job.world, "stranger");
    let stranger = job.provider_line().replace("provider.pem", "stranger.pem").replace("p.state", "s.state");
    let mut stranger = job.chain.agent(&job.world, "s", &stranger);
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let line = job.challenger_line("--trace-dir false --receipt r.json");
    let mut challenger = job.chain.agent(&job.world, "c", &line);
    job.until(|status| status["games"][0]["phase"] == "ChooseChunk");
    job.chain.pass(DAY);
    assert_eq!((provider.ends().0, challenger.ends().0, stranger.ends().0), (0, 1, 0));
    let status = job.status();
    assert_eq!((&status["stage"], &status["games"][0]["status"]), (&json!("Final"), &json!("Held")));
    job.adds_up();
}

#[test]
fn silence_loses_on_either_side() {
    let Some(job) = Job::lenet(&[]) else { return };
    // The provider posts a wrong receipt and is never seen again.
    job.posted("--flip 6:5");
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line("--receipt r.json"));
    job.until(|status| status["games"][0]["status"] == "Open");
    job.chain.pass(CLOCK);
    let (code, report) = challenger.ends();
    assert_eq!((code, &report["stage"]), (0, &json!("Fallen")), "{report}");
    job.adds_up();
    // A challenger opens a game and is never seen again.
    std::fs::remove_file(job.world.path("c.state")).unwrap();
    job.posted("");
    let of = job.of.replacen("--model ", "", 1);
    job.run(&format!("run {of} --receipt f.json --signer provider.pem --trace-dir false --flip 2:77 -o o"))
        .done();
    let line = job.challenger_line("--trace-dir false").replace("--as challenger", "");
    assert!(job.run(&format!("dispute open {line}")).done().contains("root of the trace"));
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    job.until(|status| status["games"][0]["mover"] == "Challenger");
    job.chain.pass(DAY);
    let (code, report) = provider.ends();
    assert_eq!((code, &report["stage"]), (0, &json!("Final")), "{report}");
    assert_eq!(job.status()["games"][0]["status"], "Held");
}

#[test]
fn agents_killed_at_any_point_resume_and_lose_no_bond() {
    // Blocks of a second: a kill falls before a transaction is sent, while it waits, and after it is mined.
    let Some(job) = Job::lenet(&["--block-time", "1"]) else { return };
    job.posted("--flip 2:4321");
    let lives = [130, 410, 770, 290, 950, 190, 610, 350];
    let (mut deaths, mut end) = (0, None);
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    for life in lives.iter().cycle() {
        let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line(""));
        std::thread::sleep(Duration::from_millis(*life));
        if challenger.kill() {
            end = Some(challenger.ends());
            break;
        }
        if provider.kill() {
            break;
        }
        deaths += 2;
        provider = job.chain.agent(&job.world, "p", &job.provider_line());
        let status = job.status();
        assert!(status["games"].as_array().unwrap().len() <= 1, "a killed challenger opened twice: {status}");
        if status["games"][0]["phase"] == "Answer" && status["games"][0]["status"] == "Open" {
            job.chain.call("evm_increaseTime", json!([CLOCK]));
        }
        if status["stage"] == "Fallen" {
            job.chain.call("evm_increaseTime", json!([CLOCK]));
        }
        assert!(deaths < 400, "{status}");
    }
    let (code, report) = end.unwrap_or_else(|| {
        job.chain.pass(CLOCK);
        job.chain.agent(&job.world, "c", &job.challenger_line("")).ends()
    });
    assert_eq!(code, 0, "{report}");
    let status = job.status();
    assert_eq!((&status["stage"], status["games"].as_array().unwrap().len()), (&json!("Fallen"), 1));
    assert!(job.chain.balance(&job.challenger) > RICH);
    assert!(deaths > 10, "{deaths}");
    job.adds_up();
}

#[test]
fn a_fault_in_any_operation_of_a_training_step_or_of_integers_loses_on_a_node() {
    let world = World::new();
    world.write("p.onnx", &perceptron(0, 13));
    world.write("xs.npy", &npy::encode(&floats(&[8, 4], 5)));
    world.write("x.npy", &npy::encode(&floats(&[3, 4], 7)));
    world.write("y.npy", &crate::models::array(&[3], vec![2i64, 0, 1]));
    world.assay("compile p.onnx --calibrate xs.npy -o int.assay").done();
    world.assay("compile p.onnx --train sgd --lr 0.5 --batch 3 -o step.assay").done();
    let Some(mut job) = Job::new(&[], world, "") else { return };
    for (model, of) in [
        ("int.assay", "--input xs.npy --sample 2"),
        ("step.assay", "--state step.init --input x=x.npy labels=y.npy"),
    ] {
        job.of = format!("--model {model} {of}");
        let inspected = job.run(&format!("inspect {model} --json")).json();
        let count = inspected["operations"].as_array().unwrap().len();
        assert!(count >= 2, "{inspected}");
        for operation in 0..count {
            for old in ["p.state", "c.state"] {
                let _ = std::fs::remove_file(job.world.path(old));
            }
            job.posted(&format!("--flip {operation}:3"));
            let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line("--receipt r.json"));
            let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
            let status = job.until_claimed();
            assert_eq!(status["games"][0]["operation"], operation);
            job.falls(&mut challenger, &mut provider);
        }
    }
}

#[test]
fn a_corrupted_gradient_in_the_seventh_of_twenty_steps_loses_on_a_node() {
    const CORRUPTED: usize = 7;
    let Some(mut job) = Job::new(&[], training::world(), "") else { return };
    for step in 0..training::STEPS {
        let inputs = training::inputs(step);
        if step == CORRUPTED {
            job.of = format!("--model step.assay {inputs}");
            // The sign of one element of the gradient of the second pooling layer.
            job.posted("--flip 18:32127");
            std::fs::copy(job.world.path("r.json"), job.world.path(&format!("r{step}.json"))).unwrap();
            std::fs::rename(job.world.path("out"), job.world.path(&format!("out{step}"))).unwrap();
        } else {
            let line = format!("run step.assay {inputs} --receipt r{step}.json --signer k.pem -o out{step}");
            job.run(&line).done();
        }
    }
    for step in 0..training::STEPS {
        let inputs = training::inputs(step);
        let replayed = job.run(&format!("replay r{step}.json --model step.assay {inputs}"));
        if step == CORRUPTED {
            replayed.rejected(&["operation 18", "t5.grad"]);
        } else {
            assert!(replayed.done().starts_with("REPLAYED"), "step {step}");
        }
    }
    let mut provider = job.chain.agent(&job.world, "p", &job.provider_line());
    let mut challenger = job.chain.agent(&job.world, "c", &job.challenger_line("--receipt r.json"));
    assert_eq!(job.until_claimed()["games"][0]["operation"], 18);
    job.falls(&mut challenger, &mut provider);
    assert!(job.chain.balance(&job.challenger) > RICH);
    job.adds_up();
}

/// The script that the README shows, from the offer to the verdict.
#[test]
fn the_scripted_disputes_of_an_inference_and_of_a_training_step_are_won() {
    if Chain::start(&[]).is_none() {
        return;
    }
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_assay"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/story.sh");
    for what in ["inference", "training"] {
        let out = Command::new("bash").args([script, what]).env("ASSAY", binary).output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout);
        let lines = ["REJECTED", "the receipt has fallen", "stage           Fallen"];
        assert!(out.status.success() && lines.iter().all(|line| text.contains(line)), "{out:?}");
    }
}

#[test]
fn an_output_that_is_kept_back_is_disclosed_or_costs_the_receipt() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    let ask = |name: &str, more: &str| {
        format!("dispute disclose r.json --model m.assay {} --every 50ms {more}", job.chain.wallet(name))
    };
    job.run(&ask("buyer", "--output none -o chunk.bin")).refused(&["none"]);
    job.run(&ask("challenger", "--output logits -o chunk.bin")).refused(&["disclose", "NotYours"]);
    job.run(&ask("buyer", "--output logits --chunk 1 -o chunk.bin")).refused(&["disclose", "NoPlace"]);
    let provider = job.chain.agent(&job.world, "p", &job.provider_line());
    job.run(&ask("buyer", "--output logits -o chunk.bin")).done();
    assert_eq!(job.world.read("chunk.bin"), job.world.read("trace/op-6.bin"));
    // It is there already: nothing is asked, and nothing paid, again.
    job.run(&ask("buyer", "--output logits -o again.bin")).done();
    assert_eq!(job.world.read("again.bin"), job.world.read("chunk.bin"));
    assert_eq!(job.status()["games"].as_array().unwrap().len(), 1);
    drop(provider);
    job.chain.pass(DAY);
    job.run(&format!("dispute settle terms.json {}", job.chain.wallet("challenger"))).done();
    assert_eq!(job.status()["stage"], "Final");
    job.adds_up();
    // Of a second job nobody answers.
    let _ = std::fs::remove_file(job.world.path("p.state"));
    job.posted("");
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| job.run(&ask("buyer", "--output logits -o none.bin")));
        job.until(|status| status["games"][0]["phase"] == "Disclose");
        job.chain.pass(CLOCK);
        job.run(&format!("dispute settle terms.json {}", job.chain.wallet("challenger"))).done();
        asked.join().unwrap().rejected(&["not shown"]);
    });
    assert_eq!(job.status()["stage"], "Fallen");
    assert!(!job.world.exists("none.bin"));
    job.adds_up();
}

#[test]
fn a_receipt_is_refused_for_another_job_on_another_chain_and_a_second_time() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.posted("");
    job.post().refused(&["post", "WrongStage"]);
    // The terms of a second job: the receipt of the first is none of it.
    let wallet = job.chain.wallet("buyer");
    let Job { of, provider, .. } = &job;
    let offer =
        format!("dispute offer {wallet} --contracts contracts.json {of} --provider {provider} --price 7");
    job.run(&format!("{offer} -o second.json")).done();
    job.run("verify r.json --terms second.json").rejected(&["not for these terms"]);
    let line = job.provider_line().replace("terms.json", "second.json");
    job.run(&format!("dispute respond {line} --receipt r.json")).refused(&["r.json", "another job"]);
    // Terms that were edited name a job that the contract does not have.
    let terms = String::from_utf8(job.world.read("terms.json")).unwrap();
    let dearer = terms.replace("\"price\": \"100000000000000000\"", "\"price\": \"1\"");
    assert_ne!(dearer, terms);
    job.world.write("dearer.json", dearer.as_bytes());
    job.run(&format!("dispute status dearer.json --rpc {}", job.chain.url)).refused(&["no such job"]);
    let Some(other) = Chain::start(&["--chain-id", "1234"]) else { return };
    job.run(&format!("dispute status terms.json --rpc {}", other.url)).refused(&["chain 1234", "31337"]);
}

/// The same code over storage that somebody filled before owes that somebody what others pay in.
#[test]
fn no_side_pays_into_contracts_with_other_code() {
    let Some(job) = Job::lenet(&[]) else { return };
    job.offered();
    let read = |name: &str| -> Value { serde_json::from_slice(&job.world.read(name)).unwrap() };
    let (mut contracts, mut terms) = (read("contracts.json"), read("terms.json"));
    let escrow = contracts["dispute"].as_str().unwrap().to_string();
    let forged = "0x0000000000000000000000000000000000001234";
    let code = job.chain.call("eth_getCode", json!([escrow, "latest"]));
    job.chain.call("anvil_setCode", json!([forged, code]));
    contracts["dispute"] = forged.into();
    terms["contract"] = forged.into();
    job.world.write("contracts.json", contracts.to_string().as_bytes());
    job.world.write("terms.json", terms.to_string().as_bytes());
    let offer = format!(
        "dispute offer {} --contracts contracts.json {} --provider {} --price 0.1ether -o again.json",
        job.chain.wallet("buyer"),
        job.of,
        job.provider
    );
    job.run(&offer).refused(&[forged, "pay nothing into it", "That stands at"]);
    let accept = format!("dispute accept terms.json {} {}", job.chain.wallet("provider"), job.of);
    job.run(&accept).refused(&["pay nothing into it"]);
    // Deployed once, they are there: nothing is paid again.
    let before = job.chain.balance(&job.buyer);
    job.run(&format!("dispute deploy {} -o contracts.json", job.chain.wallet("buyer"))).done();
    assert_eq!(job.chain.balance(&job.buyer), before);
    assert_eq!(read("contracts.json")["dispute"], escrow);
    // On a chain without them nothing is paid in.
    let Some(other) = Chain::start(&[]) else { return };
    let offer = offer.replace(&job.chain.url, &other.url);
    job.run(&offer).refused(&["pay nothing into it"]);
    other.account(&job.world, "rich");
    other.call("anvil_setCode", json!(["0x4e59b44847b379578588920ca78fbf26c0b4956c", "0x"]));
    job.run(&format!("dispute deploy {} -o c.json", other.wallet("rich"))).refused(&["proxy", "4e59b44847"]);
}

#[test]
fn terms_that_leave_a_side_no_time_or_money_are_not_accepted() {
    let Some(job) = Job::lenet(&[]) else { return };
    let accept = format!("dispute accept terms.json {} {}", job.chain.wallet("provider"), job.of);
    for (terms, words) in [
        ("--clock 59m", ["clock", "--least-clock"]),
        ("--clock 31d", ["clock", "locked"]),
        ("--window 31d", ["window", "locked"]),
        ("--gas-price-cap 1", ["paid back at 1 wei", "costs"]),
        ("--provider-bond 9ether", ["your bond", "--most-bond"]),
        ("--accept-within 100s --post-within 100s", ["posted within", "--least-to-post"]),
        ("--late-fee 0.01ether", ["you would lose 0.01 ether", "--most-late-fee"]),
    ] {
        job.offer(terms);
        let before = job.chain.balance(&job.provider);
        job.run(&accept).refused(&words);
        assert_eq!(job.chain.balance(&job.provider), before);
    }
    // Who has looked may.
    job.offer("--clock 59m --provider-bond 9ether --challenger-bond 1ether --late-fee 7gwei");
    let more = "--least-clock 30m --most-bond 9ether --most-late-fee 7gwei";
    assert!(job.run(&format!("{accept} {more}")).done().contains("0.000000007 ether where no receipt comes"));
    job.receipt("--flip 3:1000");
    job.post().done();
    let open = format!("dispute open {}", job.challenger_line("").replace("--as challenger", ""));
    let before = job.chain.balance(&job.challenger);
    job.run(&open).refused(&["clock", "--least-clock"]);
    job.run(&format!("{open} --least-clock 30m")).refused(&["your bond", "--most-bond"]);
    assert_eq!(job.chain.balance(&job.challenger), before);
    job.run(&format!("{open} --least-clock 30m --most-bond 1ether")).done();
    assert_eq!(job.status()["games"][0]["status"], "Open");
}

#[test]
fn terms_that_would_cost_an_honest_side_money_are_refused() {
    let Some(job) = Job::lenet(&[]) else { return };
    let Job { chain, of, provider, .. } = &job;
    let offer = format!(
        "dispute offer {} --contracts contracts.json {of} --provider {provider} --price 0.1ether -o terms.json",
        chain.wallet("buyer")
    );
    job.run(&format!("{offer} --provider-bond 1000")).refused(&["--provider-bond", "dearest"]);
    job.run(&format!("{offer} --challenger-bond 1000")).refused(&["--challenger-bond", "dearest"]);
    assert!(!job.world.exists("terms.json"));
    job.run(&format!("{offer} --window 0s")).refused(&["--window"]);
    // What is not paid in leaves no terms; terms that are there are not replaced.
    job.run(&offer.replace("0.1ether", "100ether")).refused(&["offer", "has 9."]);
    assert!(!job.world.exists("terms.json"));
    job.run(&offer).done();
    let terms = job.world.read("terms.json");
    job.run(&offer).refused(&["terms.json", "there already"]);
    assert_eq!(job.world.read("terms.json"), terms);
    let other = of.replace("--sample 3", "--sample 4");
    job.run(&format!("dispute accept terms.json {} {other}", chain.wallet("provider")))
        .refused(&["other inputs"]);
    job.run(&format!("dispute accept terms.json {} {of}", chain.wallet("challenger")))
        .refused(&["another account"]);
    job.run(&format!("dispute accept terms.json {} {of}", chain.wallet("provider"))).done();
    job.run(&format!("dispute accept terms.json {} {of}", chain.wallet("provider"))).refused(&["Accepted"]);
    // No receipt comes: buyer and provider have their money back.
    job.chain.pass(2 * DAY);
    job.run(&format!("dispute settle terms.json {}", chain.wallet("provider"))).done();
    assert_eq!(job.status()["stage"], "Expired");
    job.adds_up();
}
