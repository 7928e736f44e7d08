//! Until when the outputs of steps are of use to the run itself.

use super::StepIx;

/// Which steps read the output of which.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Start of each step's range in `readers`; one more entry than steps.
    starts: Box<[u32]>,
    readers: Box<[StepIx]>,
    /// By step: it may be read for as long as the body lives that the step stands in.
    lasting: Box<[bool]>,
}

impl Outputs {
    /// Of `steps` steps. `readers` has pairs of a step and one of its scope in which its output is read.
    #[must_use]
    pub fn new(readers: &[(StepIx, StepIx)], lasting: Box<[bool]>) -> Self {
        let mut starts = vec![0_u32; lasting.len() + 1];
        for (step, _) in readers {
            starts[step.0 as usize + 1] += 1;
        }
        for ix in 1..starts.len() {
            starts[ix] += starts[ix - 1];
        }
        let mut next = starts.clone();
        let mut by_step = vec![StepIx(0); readers.len()];
        for (step, reader) in readers {
            let at = &mut next[step.0 as usize];
            by_step[*at as usize] = *reader;
            *at += 1;
        }
        Self { starts: starts.into(), readers: by_step.into(), lasting }
    }

    /// Whether anything may still read the output of `step`, as long as its body lives.
    pub fn is_needed(&self, step: StepIx, mut is_settled: impl FnMut(StepIx) -> bool) -> bool {
        let ix = step.0 as usize;
        let readers = &self.readers[self.starts[ix] as usize..self.starts[ix + 1] as usize];
        self.lasting[ix] || readers.iter().any(|reader| !is_settled(*reader))
    }
}
