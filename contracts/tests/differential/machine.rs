//! An EVM with the contracts in it.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::{SolCall, SolConstructor};
use assay_circuits::encoding::Writer;
use assay_circuits::formula::Formula;
use assay_contracts::abi::{Formulas, Referee, Rules};
use assay_contracts::reason;
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, CfgEnv, Journal, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::primitives::TxKind;
use revm::primitives::hardfork::SpecId;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext, MainnetEvm};

type World = CacheDB<EmptyDB>;
type Evm = MainnetEvm<Context<BlockEnv, TxEnv, CfgEnv, World, Journal<World>, ()>>;

/// Formulas, referee and rules, deployed under London's rules, for which they are compiled.
pub struct Machine {
    evm: Evm,
    /// The formulas of numbers of binary32.
    pub formulas: Address,
    /// The referee.
    pub referee: Address,
    /// The rules of the game.
    pub rules: Address,
}

impl Machine {
    /// Deploys the committed bytecode.
    pub fn new() -> Machine {
        let context = Context::mainnet().with_db(World::default()).modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::LONDON);
            cfg.disable_nonce_check = true;
        });
        let context = context.modify_block_chained(|block| block.gas_limit = u64::MAX);
        let evm = context.build_mainnet();
        let zero = Address::ZERO;
        let mut machine = Machine { evm, formulas: zero, referee: zero, rules: zero };
        machine.formulas = machine.deploy(&Formulas::BYTECODE, &[]);
        let formulas = Referee::constructorCall { formulas_: machine.formulas };
        machine.referee = machine.deploy(&Referee::BYTECODE, &formulas.abi_encode());
        let referee = Rules::constructorCall { referee_: machine.referee };
        machine.rules = machine.deploy(&Rules::BYTECODE, &referee.abi_encode());
        machine
    }

    fn transaction(kind: TxKind, data: Vec<u8>) -> TxEnv {
        let sender = Address::repeat_byte(0x11);
        let builder = TxEnv::builder().caller(sender).kind(kind).data(data.into());
        builder.gas_limit(100_000_000).build().expect("a transaction")
    }

    fn deploy(&mut self, code: &Bytes, arguments: &[u8]) -> Address {
        let transaction = Self::transaction(TxKind::Create, [code.as_ref(), arguments].concat());
        match self.evm.transact_commit(transaction).expect("a transaction that can run") {
            ExecutionResult::Success { output: Output::Create(_, Some(address)), .. } => address,
            other => panic!("no contract: {other:?}"),
        }
    }

    /// What a contract answers, or why it reverts. It must not stop in another way.
    pub fn call(&mut self, to: Address, data: Vec<u8>) -> Result<Bytes, String> {
        let transaction = Self::transaction(TxKind::Call(to), data);
        match self.evm.transact(transaction).expect("a transaction that can run").result {
            ExecutionResult::Success { output, .. } => Ok(output.into_data()),
            ExecutionResult::Revert { output, .. } => Err(reason(&output)),
            ExecutionResult::Halt { reason, gas, .. } => panic!("halted: {reason:?} after {gas}"),
        }
    }

    /// What a function of a contract returns, or why it reverts.
    pub fn ask<C: SolCall>(&mut self, to: Address, call: &C) -> Result<C::Return, String> {
        let answer = self.call(to, call.abi_encode())?;
        Ok(C::abi_decode_returns(&answer).expect("what the function returns"))
    }

    /// The formula's value of sums, as the deployed formulas compute it.
    pub fn value(&mut self, formula: &Formula, sums: &[u32]) -> u32 {
        let mut packed = Writer::new();
        formula.encode(&mut packed);
        let sums = sums.iter().map(|&bits| U256::from(bits)).collect();
        let call = Formulas::valueCall { formula: packed.finish().into(), sums };
        self.ask(self.formulas, &call).expect("a value").try_into().expect("32 bits")
    }
}

#[test]
fn a_contract_without_its_code_answers_nothing() {
    let mut machine = Machine::new();
    assert_ne!(machine.formulas, machine.referee);
    assert_eq!(machine.call(Address::repeat_byte(0x77), vec![1]), Ok(Bytes::new()));
    assert!(machine.call(machine.referee, vec![1, 2, 3, 4]).is_err());
}
