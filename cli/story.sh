#!/usr/bin/env bash
# A dispute from offer to verdict, on a chain of one's own: `cli/story.sh inference` and `cli/story.sh training`.
#
# A provider flips one bit in the middle of its run and signs the receipt all the same; a challenger that runs the program
# again finds it, disputes it and wins. Needs `cargo build --release -p assay-cli`, curl, and anvil, which `npm ci` in
# contracts/ installs.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
what="${1:?inference or training}"
assay="${ASSAY:-$root/target/release/assay}"
PATH="$(dirname "$assay"):$root/contracts/node_modules/.bin:$PATH"
folder="$(mktemp -d)"
cd "$folder"

port=$((20000 + RANDOM % 20000))
anvil --port "$port" --silent &
node=$!
trap 'kill "$node"; rm -rf "$folder"' EXIT
rpc="http://127.0.0.1:$port"

ask() {
    curl -fs --retry 20 --retry-connrefused --retry-delay 1 -H 'content-type: application/json' "$rpc" \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" >/dev/null
}
# Hours pass on the chain: clocks of a dispute are long.
hours() {
    ask evm_increaseTime "[$(($1 * 3600))]"
    ask evm_mine "[]"
}
run() {
    printf '\n$ assay %s\n' "$*"
    assay "$@"
}

# Accounts with ten ether each.
for name in buyer provider challenger; do
    address="$(assay signer new --secp256k1 -o "$name.pem" --json | sed 's/.*"signer":"\([^"]*\)".*/\1/')"
    ask anvil_setBalance "[\"$address\",\"0x8ac7230489e80000\"]"
    declare "$name=$address"
done

cp "$root/cli/assets/mnist_lenet.onnx" lenet.onnx
cp "$root/cli/assets/digits.npy" digits.npy
if [[ "$what" == training ]]; then
    # A batch: the ten digits in black and white, and what they are.
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (10, 1, 28, 28), }"
      tail -c 7840 digits.npy | tr '\000-\177' '\000' | tr '\200-\377' '\001'; } >x.npy
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (10,), }"
      printf '\x07\x02\x01\x00\x04\x01\x04\x09\x05\x09'; } >labels.npy
    run compile lenet.onnx --train sgd --lr 0.0625 --loss softmax-cross-entropy --batch 10 -o m.assay | grep -E '^(\$|operations|a receipt)'
    state=m.init
    for step in 1 2 3 4 5 6; do
        assay run m.assay --state $state --input image=x.npy labels=labels.npy \
            --receipt "r$step.json" --signer provider.pem -o "step$step" | grep -A1 '^output *loss' | tail -1
        assay replay "r$step.json" --model m.assay --state $state --input image=x.npy labels=labels.npy | head -1
        state="step$step"
    done
    of=(--model m.assay --state $state --input image=x.npy labels=labels.npy)
    flip="$(assay inspect m.assay | awk '$2 == "t5.grad" { print $1; exit }'):32127"
else
    run compile lenet.onnx --precision f32 --image-scale 0.00390625 -o m.assay | grep -E '^(\$|operations|a receipt)'
    of=(--model m.assay --input digits.npy --sample 3)
    flip=3:6420
fi

buyer_pays=(--rpc "$rpc" --wallet buyer.pem)
provider_pays=(--rpc "$rpc" --wallet provider.pem)
challenger_pays=(--rpc "$rpc" --wallet challenger.pem)
status=(dispute status terms.json --rpc "$rpc" --of "$challenger")

run dispute deploy "${buyer_pays[@]}" -o contracts.json
run dispute offer "${buyer_pays[@]}" --contracts contracts.json "${of[@]}" --provider "$provider" --price 0.1ether -o terms.json
run dispute accept terms.json "${provider_pays[@]}" "${of[@]}"
run run "${of[@]:1}" --receipt r.json --signer provider.pem --terms terms.json --trace-dir trace --flip "$flip" -o out
run dispute post r.json --model m.assay "${provider_pays[@]}"
run replay r.json "${of[@]}" --trace-dir trace || true
run "${status[@]}"

printf '\n$ assay dispute watch terms.json --as provider ..  &  assay dispute watch terms.json --as challenger ..\n'
start=$SECONDS
assay dispute watch terms.json --as provider "${provider_pays[@]}" "${of[@]}" --trace-dir trace --every 200ms >p.out 2>p.log &
p=$!
assay dispute watch terms.json --as challenger "${challenger_pays[@]}" "${of[@]}" --agent-state c.json --every 200ms >c.out 2>c.log &
c=$!
until assay "${status[@]}" | grep -q Answer; do sleep 0.2; done
echo "(the claim stands after $((SECONDS - start)) s; now the provider's clock runs out)"
hours 8
until assay "${status[@]}" | grep -q 'stage *Fallen'; do sleep 0.2; done
hours 8
wait "$c"
wait "$p" || true
cat c.log c.out
run dispute settle terms.json "${buyer_pays[@]}"
run "${status[@]}"
