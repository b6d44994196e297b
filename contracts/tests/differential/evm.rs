//! A chain of three contracts in memory.

use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::sol_types::SolValue;
use assay_contracts::abi::{Formulas, Referee, Rules};
use revm::context::TxEnv;
use revm::database::InMemoryDB;
use revm::handler::{MainnetContext, MainnetEvm};
use revm::primitives::hardfork::SpecId;
use revm::{Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext};

/// More than any call here takes.
const GAS: u64 = 1 << 40;

pub struct Evm {
    evm: MainnetEvm<MainnetContext<InMemoryDB>>,
    pub formulas: Address,
    pub referee: Address,
    pub rules: Address,
}

fn transaction(kind: TxKind, data: Bytes) -> TxEnv {
    TxEnv::builder().caller(Address::ZERO).kind(kind).data(data).gas_limit(GAS).build().unwrap()
}

impl Evm {
    pub fn new() -> Evm {
        let context = Context::mainnet().with_db(InMemoryDB::default());
        let context = context.modify_block_chained(|block| block.gas_limit = GAS);
        let context = context.modify_cfg_chained(|cfg| {
            cfg.set_spec_and_mainnet_gas_params(SpecId::LONDON);
            cfg.tx_gas_limit_cap = Some(GAS);
            cfg.disable_nonce_check = true;
        });
        let mut evm = Evm {
            evm: context.build_mainnet(),
            formulas: Address::ZERO,
            referee: Address::ZERO,
            rules: Address::ZERO,
        };
        evm.formulas = evm.deploy(&Formulas::BYTECODE, Bytes::new());
        evm.referee = evm.deploy(&Referee::BYTECODE, evm.formulas.abi_encode().into());
        evm.rules = evm.deploy(&Rules::BYTECODE, evm.referee.abi_encode().into());
        evm
    }

    /// Sets the time of the block.
    pub fn at(&mut self, seconds: u64) {
        self.evm.ctx.block.timestamp = U256::from(seconds);
    }

    fn deploy(&mut self, code: &Bytes, arguments: Bytes) -> Address {
        let data = [code.as_ref(), &arguments].concat().into();
        let result = self.evm.transact_commit(transaction(TxKind::Create, data)).unwrap();
        result.created_address().unwrap_or_else(|| panic!("{result:?}"))
    }

    /// What a contract answers; none where it reverts.
    ///
    /// # Panics
    /// Where it halts, as by an invalid instruction or without gas: a contract refuses by reverting.
    pub fn ask(&mut self, contract: Address, call: Bytes) -> Option<Bytes> {
        let result = self.evm.transact(transaction(TxKind::Call(contract), call)).unwrap().result;
        assert!(!result.is_halt(), "{result:?}");
        result.is_success().then(|| result.into_output().unwrap_or_default())
    }
}
