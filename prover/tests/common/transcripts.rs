//! Transcripts for tests: one that records, one that replays, one whose challenges a forger has chosen.

use assay_verifier::F;
use assay_verifier::transcript::{MerlinTranscript, Transcript};
use assay_verifier::verify::transcript;

/// The real transcript, which remembers its challenges.
pub struct Recorder {
    inner: MerlinTranscript,
    pub challenges: Vec<(&'static [u8], F)>,
}

impl Recorder {
    pub fn new() -> Self {
        Recorder { inner: transcript(), challenges: Vec::new() }
    }
}

impl Transcript for Recorder {
    fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
        self.inner.absorb(label, message);
    }

    fn challenge(&mut self, label: &'static [u8]) -> F {
        let challenge = self.inner.challenge(label);
        self.challenges.push((label, challenge));
        challenge
    }
}

/// Replays recorded challenges, whatever is absorbed: what a mutation would meet if nothing bound it.
pub struct FrozenTranscript {
    rest: std::vec::IntoIter<(&'static [u8], F)>,
}

impl FrozenTranscript {
    pub fn new(challenges: &[(&'static [u8], F)]) -> Self {
        FrozenTranscript { rest: Vec::from(challenges).into_iter() }
    }
}

impl Transcript for FrozenTranscript {
    fn absorb(&mut self, _: &'static [u8], _: &[u8]) {}

    fn challenge(&mut self, label: &'static [u8]) -> F {
        let (recorded, challenge) = self.rest.next().expect("as many challenges as in the recorded run");
        assert_eq!(recorded, label);
        challenge
    }
}

/// The real transcript, but that alpha is the fingerprint of the tuple `(value)` under a tag.
pub struct RiggedAlpha {
    inner: MerlinTranscript,
    tag: F,
    value: F,
    beta: F,
}

impl RiggedAlpha {
    pub fn new(tag: F, value: i64) -> Self {
        RiggedAlpha { inner: transcript(), tag, value: F::from(value), beta: F::from(0u64) }
    }
}

impl Transcript for RiggedAlpha {
    fn absorb(&mut self, label: &'static [u8], message: &[u8]) {
        self.inner.absorb(label, message);
    }

    fn challenge(&mut self, label: &'static [u8]) -> F {
        let challenge = self.inner.challenge(label);
        match label {
            b"beta" => {
                self.beta = challenge;
                challenge
            }
            b"alpha" => self.tag + self.beta * self.value,
            _ => challenge,
        }
    }
}
