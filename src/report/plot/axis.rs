//! Ticks: round numbers on a linear axis or one of square roots, training steps on a broken logarithmic one.

use crate::checkpoint::Step;

/// A linear axis between round numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Linear {
    pub low: f64,
    pub high: f64,
    pub ticks: Vec<(f64, String)>,
    /// Whether heights are square roots of values.
    pub root: bool,
}

impl Linear {
    /// An axis of square roots from 0, on which counts of 1 and of 100 can both be read (Tukey's rootogram); `height` is
    /// its length in units. Values must be finite and none below 0.
    pub fn root(values: impl IntoIterator<Item = f64>, height: f64) -> Linear {
        let most = values.into_iter().fold(1.0, f64::max);
        let rounds = (0..300).flat_map(|power| [1.0, 2.0, 5.0].map(|m| m * 10f64.powi(power)));
        let mut axis = Linear { low: 0.0, high: most * 1.05, ticks: vec![(0.0, "0".into())], root: true };
        for value in rounds.take_while(|value| *value <= axis.high) {
            let below = axis.ticks.last().map_or(0.0, |(value, _)| *value);
            if (axis.share(value) - axis.share(below)) * height >= 13.0 {
                axis.ticks.push((value, crate::report::number(Some(value), 0)));
            }
        }
        axis
    }

    /// The axis that holds every value; `from_zero` makes it reach zero. Values must be finite.
    pub fn around(values: impl IntoIterator<Item = f64>, from_zero: bool) -> Linear {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().chain(from_zero.then_some(0.0)) {
            (low, high) = (low.min(value), high.max(value));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        } else if high - low <= f64::EPSILON * high.abs().max(low.abs()) {
            // One value: room on both sides of it, or the whole of 0 to 1 where it is zero itself.
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
            (low, high) = if from_zero { (low.min(0.0), high.max(0.0) + room) } else { (low - room, high + room) };
        }
        let step = round_step((high - low) / 5.0);
        // A hair of slack, so that 0.3 / 0.1 = 2.9999999999999996 does not add a tick.
        let first = (low / step + 1e-9).floor();
        let last = (high / step - 1e-9).ceil().max(first + 1.0);
        let decimals = decimals(step);
        let ticks = (0..=(last - first).min(20.0) as i64)
            .map(|i| {
                let value = (first + i as f64) * step;
                (value, crate::report::number(Some(value), decimals))
            })
            .collect();
        Linear { low: first * step, high: last * step, ticks, root: false }
    }

    /// Where a value lies between the ends, 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        if self.root {
            share.max(0.0).sqrt()
        } else {
            share
        }
    }
}

/// The least of 1, 2, 2.5, 5 times a power of ten that is not below `rough`.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let found = [1.0, 2.0, 2.5, 5.0].into_iter().map(|m| m * power).find(|step| *step >= rough * (1.0 - 1e-9));
    let step = found.unwrap_or(10.0 * power);
    if step.is_finite() && step > 0.0 {
        step
    } else {
        1.0
    }
}

fn decimals(step: f64) -> usize {
    (0..12).find(|&d| (step * 10f64.powi(d) - (step * 10f64.powi(d)).round()).abs() < 1e-6).unwrap_or(12) as usize
}

/// A step as its tick says it: `30`, `1k`, `2.5k`, `1M`, `final`; never rounded.
pub(super) fn step_label(step: Step) -> String {
    let Step::Number(number) = step else { return step.to_string() };
    for (unit, suffix) in [(1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")] {
        if number >= unit && number % (unit / 10) == 0 {
            let (whole, tenth) = (number / unit, number % unit / (unit / 10));
            return if tenth == 0 { format!("{whole}{suffix}") } else { format!("{whole}.{tenth}{suffix}") };
        }
    }
    number.to_string()
}

/// Training steps from left to right: 0 behind a break, the logarithmic part, `final` behind a break.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepAxis {
    zero: Option<f64>,
    last: Option<f64>,
    /// Least and greatest of the numbered steps above 0, as log10, and where they lie.
    log: Option<(f64, f64, f64, f64)>,
    /// Where the axis is broken.
    pub breaks: Vec<f64>,
}

impl StepAxis {
    /// `steps` ascending, without repeats; the axis runs from `left` to `right`.
    pub fn new(steps: &[Step], left: f64, right: f64) -> StepAxis {
        let room = 18.0;
        let slot = 46.0;
        let (mut left, mut right) = (left + room, right - room);
        let middle = (left + right) / 2.0;
        let numbers: Vec<f64> = steps
            .iter()
            .filter_map(|s| match s {
                Step::Number(n) if *n > 0 => Some((*n as f64).log10()),
                _ => None,
            })
            .collect();
        let has_zero = steps.contains(&Step::Number(0));
        let has_final = steps.contains(&Step::Final);
        let mut axis = StepAxis { zero: None, last: None, log: None, breaks: Vec::new() };
        let (Some(&low), Some(&high)) = (numbers.first(), numbers.last()) else {
            axis.zero = has_zero.then_some(if has_final { left } else { middle });
            axis.last = has_final.then_some(if has_zero { right } else { middle });
            axis.breaks.extend((has_zero && has_final).then_some(middle));
            return axis;
        };
        if has_zero {
            axis.zero = Some(left);
            axis.breaks.push(left + slot / 2.0);
            left += slot;
        }
        if has_final {
            axis.last = Some(right);
            axis.breaks.push(right - slot / 2.0);
            right -= slot;
        }
        axis.log = Some((low, high, left, right));
        axis
    }

    /// Where a step lies; steps that the axis was not made for lie where the axis would have them.
    pub fn place(&self, step: Step) -> f64 {
        let found = match step {
            Step::Number(0) => self.zero,
            Step::Final => self.last,
            Step::Number(_) => None,
        };
        match (found, step, self.log) {
            (Some(x), _, _) => x,
            (None, Step::Number(n), Some((low, high, left, right))) if high > low => {
                left + (right - left) * ((n.max(1) as f64).log10() - low) / (high - low)
            }
            (None, _, Some((_, _, left, right))) => (left + right) / 2.0,
            (None, _, None) => self.zero.or(self.last).unwrap_or(0.0),
        }
    }

    /// Whether two neighbouring steps lie on two sides of a break.
    pub fn broken_between(&self, a: Step, b: Step) -> bool {
        let (a, b) = (self.place(a), self.place(b));
        self.breaks.iter().any(|&at| a < at && at < b)
    }

    /// Ticks with their labels (empty where there is no room for one): the steps themselves if they are at most 12,
    /// else 0, the decades, the ends and `final`.
    pub fn ticks(&self, steps: &[Step], width: impl Fn(&str) -> f64) -> Vec<(f64, String)> {
        let numbered = || steps.iter().copied().filter(|s| matches!(s, Step::Number(n) if *n > 0));
        let mut shown: Vec<Step> = steps.to_vec();
        if steps.len() > 12 {
            let least = numbered().next();
            let most = numbered().next_back();
            let decades = (0..19).map(|p| Step::Number(10u64.pow(p)));
            let inside: Vec<Step> = decades.filter(|&d| least <= Some(d) && Some(d) <= most).collect();
            shown = steps.iter().copied().filter(|s| matches!(s, Step::Number(0) | Step::Final)).collect();
            shown.extend(least.into_iter().chain(most));
            shown.extend(inside);
            shown.sort();
            shown.dedup();
        }
        // The ends of each part get their labels first, the others from right to left as there is room.
        let numbers: Vec<Step> = shown.iter().copied().filter(|s| matches!(s, Step::Number(n) if *n > 0)).collect();
        let ends = [Some(Step::Number(0)), Some(Step::Final), numbers.last().copied(), numbers.first().copied()];
        let order = ends.into_iter().flatten().chain(shown.iter().rev().copied());
        let mut taken: Vec<(f64, f64)> = Vec::new();
        let mut labelled: Vec<Step> = Vec::new();
        for step in order {
            if !shown.contains(&step) || labelled.contains(&step) {
                continue;
            }
            let half = width(&step_label(step)) / 2.0 + 3.0;
            let (from, to) = (self.place(step) - half, self.place(step) + half);
            if taken.iter().all(|&(a, b)| to <= a || from >= b) {
                taken.push((from, to));
                labelled.push(step);
            }
        }
        shown
            .iter()
            .map(|&s| (self.place(s), if labelled.contains(&s) { step_label(s) } else { String::new() }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Linear) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_axes_end_at_round_numbers() {
        assert_eq!(labels(&Linear::around([0.07, 0.19], true)), ["0.00", "0.05", "0.10", "0.15", "0.20"]);
        assert_eq!(labels(&Linear::around([0.0, 1.0], true)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Linear::around([0.0], true)), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&Linear::around([], true)).len(), 6);
        for value in [1e-300, -3.0, 5e9, 0.3, f64::MAX / 4.0] {
            let axis = Linear::around([value], false);
            assert!(axis.low <= value && value <= axis.high && axis.low < axis.high, "{axis:?}");
        }
        let negative = Linear::around([-0.03, 0.1], true);
        assert!(negative.low <= -0.03 && negative.high >= 0.1);
    }

    #[test]
    fn step_labels_are_exact() {
        for (number, label) in [
            (0, "0"),
            (30, "30"),
            (999, "999"),
            (1000, "1k"),
            (2500, "2.5k"),
            (6001, "6001"),
            (143_000, "143k"),
            (1_000_000, "1M"),
        ] {
            assert_eq!(step_label(Step::Number(number)), label);
        }
        assert_eq!(step_label(Step::Final), "final");
    }

    #[test]
    fn zero_and_final_stand_apart_and_the_rest_is_logarithmic() {
        let steps = [0, 10, 100, 1000].map(Step::Number).into_iter().chain([Step::Final]).collect::<Vec<_>>();
        let axis = StepAxis::new(&steps, 0.0, 500.0);
        let x: Vec<f64> = steps.iter().map(|&s| axis.place(s)).collect();
        assert!(x.windows(2).all(|w| w[0] < w[1]));
        assert!((x[2] - x[1] - (x[3] - x[2])).abs() < 1e-9);
        assert_eq!(axis.breaks.len(), 2);
        assert!(axis.broken_between(steps[0], steps[1]) && !axis.broken_between(steps[1], steps[2]));
        assert!(axis.broken_between(steps[3], steps[4]));
    }

    #[test]
    fn labels_never_overlap() {
        let steps: Vec<Step> = [0, 1, 2, 3, 900, 950, 960, 970, 1000].map(Step::Number).to_vec();
        let axis = StepAxis::new(&steps, 0.0, 300.0);
        let ticks = axis.ticks(&steps, |label| 7.0 * label.len() as f64);
        assert_eq!(ticks.len(), steps.len());
        let shown: Vec<_> = ticks.iter().filter(|(_, l)| !l.is_empty()).collect();
        assert!(shown.len() < steps.len());
        for pair in shown.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 3.5 * (pair[0].1.len() + pair[1].1.len()) as f64);
        }
        assert_eq!(shown.last().unwrap().1, "1k");
    }

    #[test]
    fn many_steps_get_decades() {
        let steps: Vec<Step> = (0..=20).map(|i| Step::Number(i * 1000)).collect();
        let axis = StepAxis::new(&steps, 0.0, 400.0);
        let labels: Vec<String> = axis.ticks(&steps, |l| 6.0 * l.len() as f64).into_iter().map(|t| t.1).collect();
        assert_eq!(labels, ["0", "1k", "10k", "20k"]);
    }
}
