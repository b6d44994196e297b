//! A chain of its own for a test, accounts with money on it, and agents as processes.

use crate::world::World;
use alloy::providers::{Provider, ProviderBuilder, RootProvider};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// What every account has at first: 10 ether.
pub const RICH: u128 = 10_000_000_000_000_000_000;
/// How long a process may take before the test gives it up.
const PATIENCE: Duration = Duration::from_secs(240);

/// An anvil node.
pub struct Chain {
    process: Child,
    pub url: String,
    rpc: RootProvider,
    runtime: Runtime,
}

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The node's program, as `contracts/test.sh` installs it from npm.
fn anvil() -> Option<PathBuf> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules/@foundry-rs");
    let entries = std::fs::read_dir(modules).ok()?;
    entries.flatten().map(|entry| entry.path().join("bin/anvil")).find(|path| path.is_file())
}

impl Chain {
    /// Starts a node; none, and a printed reason, where none is installed.
    pub fn start(options: &[&str]) -> Option<Chain> {
        let Some(anvil) = anvil() else {
            println!("skipped: no anvil; `npm ci` in contracts/ installs it");
            return None;
        };
        let mut command = Command::new(anvil);
        command.args(["--port", "0"]).args(options).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().strip_prefix("Listening on ").map(String::from));
        let url = format!("http://{}", address.expect("a port"));
        // Whatever it prints later must be read, or it stops.
        std::thread::spawn(move || lines.for_each(drop));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rpc = ProviderBuilder::new().disable_recommended_fillers().connect_http(url.parse().unwrap());
        Some(Chain { process, url, rpc, runtime })
    }

    pub fn call(&self, method: &'static str, params: Value) -> Value {
        self.runtime.block_on(self.rpc.client().request(method, params)).unwrap()
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: u64) {
        self.call("evm_increaseTime", json!([seconds]));
        self.call("evm_mine", json!([]));
    }

    /// Makes a key `NAME.pem` whose account has money; its address.
    pub fn account(&self, world: &World, name: &str) -> String {
        let json = world.assay(&format!("signer new --secp256k1 -o {name}.pem --json")).json();
        let address = json["signer"].as_str().unwrap().to_string();
        self.call("anvil_setBalance", json!([address, format!("{RICH:#x}")]));
        address
    }

    /// What an account has.
    pub fn balance(&self, address: &str) -> u128 {
        let hex = self.call("eth_getBalance", json!([address, "latest"]));
        u128::from_str_radix(hex.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    }

    /// The options of a command that sends from `NAME.pem`.
    pub fn wallet(&self, name: &str) -> String {
        format!("--rpc {} --wallet {name}.pem", self.url)
    }

    /// Starts an agent that reads the chain often; its words go to `NAME.log`, its report to `NAME.json`.
    pub fn agent(&self, world: &World, name: &str, line: &str) -> Agent {
        let file = |end: &str| std::fs::File::create(world.path(&format!("{name}.{end}"))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_assay"));
        command.args(format!("dispute watch {line} --every 50ms --json").split_whitespace());
        command.current_dir(world.path("")).stdout(file("json")).stderr(file("log"));
        Agent { process: command.spawn().unwrap(), name: name.to_string(), folder: world.path("") }
    }
}

/// A process of `assay dispute watch`.
pub struct Agent {
    process: Child,
    name: String,
    folder: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Agent {
    /// Ends it at once, wherever it is; true where it had ended by itself.
    pub fn kill(&mut self) -> bool {
        let ended = self.process.try_wait().unwrap().is_some();
        let _ = self.process.kill();
        let _ = self.process.wait();
        ended
    }

    fn said(&self) -> String {
        let read = |end: &str| std::fs::read_to_string(self.folder.join(format!("{}.{end}", self.name)));
        format!("{}\n{}", read("log").unwrap(), read("json").unwrap())
    }

    /// Waits until it ends; its exit code and report.
    #[track_caller]
    pub fn ends(&mut self) -> (i32, Value) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                let file = self.folder.join(format!("{}.json", self.name));
                let json = serde_json::from_slice(&std::fs::read(file).unwrap());
                return (status.code().unwrap_or(-1), json.unwrap_or_else(|_| panic!("{}", self.said())));
            }
            assert!(start.elapsed() < PATIENCE, "{} does not end: {}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
