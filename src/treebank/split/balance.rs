//! Dealing groups of words to train, dev and test so that each class is spread as it should.

use super::groups::Group;
use super::{SplitSettings, PARTS};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The part of each group.
///
/// Every class that can have enough words in each part gets a target a part: its share of the class's words, and at least
/// the fewest that it needs. Groups come in random order, the heaviest first, and each is drawn a part by how much its
/// classes still lack there, so that a group is in test about as often as its share says, whatever its size, and what
/// heavy groups leave uneven the light ones even out. Then groups move as long as that brings classes nearer to their
/// targets. At last a class that is still short of words gets groups from elsewhere, where that costs no other class.
///
/// With `capped`, a group that would be too much of a class in dev or test is for training: see [`Balance::keep_heavy`]. If
/// classes are short of words in the end, that is tried again, and then without for these classes; most classes win, of equals
/// the first.
pub(super) fn balance(
    groups: &[Group],
    n_classes: usize,
    settings: &SplitSettings,
    capped: bool,
    rng: &mut ChaCha8Rng,
) -> Vec<usize> {
    let mut best: Option<(usize, Vec<usize>)> = None;
    let mut was_short = vec![false; n_classes];
    for attempt in 0..ATTEMPTS {
        let mut balance = Balance::new(groups, n_classes, settings);
        if capped {
            let is_free = |class: usize| attempt >= ATTEMPTS / 2 && was_short.get(class) == Some(&true);
            balance.keep_heavy(is_free);
        }
        let order = balance.order();
        balance.deal(&order, rng);
        balance.improve(&order);
        if balance.swap(&order) {
            balance.improve(&order);
        }
        balance.save_classes();
        balance.improve(&order);
        let mut short = 0;
        for (class, was_short) in was_short.iter_mut().enumerate() {
            let is_short = balance.targets[class].is_some() && !balance.stays(class);
            *was_short |= is_short;
            short += usize::from(is_short);
        }
        if best.as_ref().is_none_or(|(fewest, _)| short < *fewest) {
            best = Some((short, balance.parts));
        }
        if short == 0 {
            break;
        }
    }
    best.map(|(_, parts)| parts).unwrap_or_default()
}

/// A group with at most this share of a class's words in dev and test is as good as any other there.
const LIGHT: f64 = 0.1;
/// A group with more than this share is not wanted there.
const HEAVY: f64 = 0.3;
/// Light enough groups should hold the words of dev and test so many times over: some stay in train, and which do depends on
/// the seed.
const SPARE: f64 = 1.1;
/// What was drawn unluckily is drawn again, at most so many times.
const ATTEMPTS: usize = 6;
/// A class that misses its target by no more than this share is as good as balanced.
const CLOSE: f64 = 0.02;
/// Of a class that misses it, so many groups, the largest, may change places: those below are light enough to move.
const LARGEST: usize = 48;
/// Groups settle within two or three rounds.
const ROUNDS: usize = 10;

struct Balance<'a> {
    groups: &'a [Group],
    min: usize,
    /// Words of each class.
    totals: Vec<usize>,
    /// Words of each class that each part should have; none for a class that cannot stay.
    targets: Vec<Option<[f64; PARTS]>>,
    /// Words of each class in each part so far.
    counts: Vec<[usize; PARTS]>,
    /// The part of each group.
    parts: Vec<usize>,
    /// Groups that are for training alone.
    heavy: Vec<bool>,
}

impl<'a> Balance<'a> {
    fn new(groups: &'a [Group], n_classes: usize, settings: &SplitSettings) -> Self {
        let mut totals = vec![0; n_classes];
        for (class, n) in groups.iter().flat_map(|group| &group.counts) {
            totals[*class] += n;
        }
        let (min, shares) = (settings.min_per_class, settings.shares());
        let target = |&total: &usize| (total >= PARTS.saturating_mul(min)).then(|| targets(total, shares, min));
        Balance {
            groups,
            min,
            targets: totals.iter().map(target).collect(),
            counts: vec![[0; PARTS]; n_classes],
            parts: vec![0; groups.len()],
            heavy: vec![false; groups.len()],
            totals,
        }
    }

    /// Keeps groups for training that are too much of a class.
    ///
    /// What is too much depends on the class: a tenth of the words that it should have in dev or test, but more, up to
    /// three tenths, where the groups below hold too few words to fill dev and test and leave some for train. Where even these
    /// do not, as in classes of a few function words, dev and test are content with nine tenths of what there is. Classes that
    /// are free have no such bound.
    fn keep_heavy(&mut self, is_free: impl Fn(usize) -> bool) {
        let mut sizes: Vec<Vec<usize>> = vec![Vec::new(); self.totals.len()];
        for (class, n) in self.groups.iter().flat_map(|group| &group.counts) {
            sizes[*class].push(*n);
        }
        let mut caps = vec![usize::MAX; self.totals.len()];
        for (class, (cap, sizes)) in caps.iter_mut().zip(&mut sizes).enumerate() {
            let Some([_, dev, test]) = self.targets[class].filter(|_| !is_free(class)) else { continue };
            sizes.sort_unstable();
            *cap = cap_of(sizes, dev.min(test), dev + test);
        }
        let mut light = vec![0; self.totals.len()];
        for (group, heavy) in self.groups.iter().zip(&mut self.heavy) {
            *heavy = group.counts.iter().any(|&(class, n)| n > caps[class]);
            if !*heavy {
                group.counts.iter().for_each(|&(class, n)| light[class] += n);
            }
        }
        for ((targets, &light), &total) in self.targets.iter_mut().zip(&light).zip(&self.totals) {
            let Some(targets) = targets else { continue };
            let wanted = (SPARE * (targets[1] + targets[2])).min(total as f64);
            let factor = (light as f64 / wanted).min(1.0);
            targets[1] = (targets[1] * factor).max(self.min as f64);
            targets[2] = (targets[2] * factor).max(self.min as f64);
            targets[0] = (total as f64 - targets[1] - targets[2]).max(self.min as f64);
        }
    }

    /// The light groups, heaviest first; random (as given) among those of like weight.
    fn order(&self) -> Vec<usize> {
        let weight = |group: &Group| {
            let shares = group.counts.iter().filter_map(|&(class, n)| {
                let targets = self.targets[class]?;
                Some(n as f64 / targets[1].min(targets[2]))
            });
            // In powers of two; 2^-20 of a target is below a word of any treebank.
            let most = shares.fold(0.0, f64::max);
            ((most * (1u64 << 20) as f64) as u64).checked_ilog2()
        };
        let mut order: Vec<usize> = (0..self.groups.len()).filter(|&index| !self.heavy[index]).collect();
        order.sort_by_cached_key(|&index| std::cmp::Reverse(weight(&self.groups[index])));
        order
    }

    fn deal(&mut self, order: &[usize], rng: &mut ChaCha8Rng) {
        for index in (0..self.groups.len()).filter(|&index| self.heavy[index]).collect::<Vec<_>>() {
            self.put(index, 0);
        }
        for &index in order {
            let group = &self.groups[index];
            let mut chances = [0.0; PARTS];
            for &(class, n) in &group.counts {
                let Some(targets) = self.targets[class] else { continue };
                let mut lacking = [0.0; PARTS];
                for part in 0..PARTS {
                    lacking[part] = (targets[part] - self.counts[class][part] as f64).max(0.0);
                }
                let sum: f64 = lacking.iter().sum();
                if sum > 0.0 {
                    let weight = n as f64 / self.totals[class] as f64;
                    for (chance, lacking) in chances.iter_mut().zip(lacking) {
                        *chance += weight * lacking / sum;
                    }
                }
            }
            // A draw for every group, so that one that needs none does not shift the others'.
            let draw = rng.gen::<f64>() * chances.iter().sum::<f64>();
            let part = if draw < chances[1] {
                1
            } else if draw < chances[1] + chances[2] {
                2
            } else {
                0
            };
            self.put(index, part);
        }
    }

    /// Moves groups as long as a class's words in dev and test come nearer to the targets, in squares relative to them, so
    /// that rare classes count as much as frequent ones. No class loses a part that has enough words of it.
    fn improve(&mut self, order: &[usize]) {
        for _ in 0..ROUNDS {
            let mut moved = false;
            for &index in order {
                let from = self.parts[index];
                let mut best = (0.0, from);
                if !self.can_spare(index, from) {
                    continue;
                }
                for to in (0..PARTS).filter(|&to| to != from) {
                    let change = self.change(index, from, to);
                    // Nothing moves for rounding's sake.
                    if change < best.0 - 1e-12 {
                        best = (change, to);
                    }
                }
                if best.1 != from {
                    self.take(index);
                    self.put(index, best.1);
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets groups change places where moves alone leave a class off its targets, as in classes of a few lemmas. Says whether
    /// any did.
    fn swap(&mut self, order: &[usize]) -> bool {
        let mut swapped = false;
        for class in 0..self.totals.len() {
            let Some(targets) = self.targets[class] else { continue };
            let is_off = |part: usize| (self.counts[class][part] as f64 - targets[part]).abs() > CLOSE * targets[part];
            if !is_off(1) && !is_off(2) {
                continue;
            }
            let words = |index: usize| self.groups[index].words_of(class);
            let mut largest: Vec<usize> = order.iter().copied().filter(|&index| words(index) > 0).collect();
            largest.sort_by_key(|&index| std::cmp::Reverse(words(index)));
            largest.truncate(LARGEST);
            for (place, &a) in largest.iter().enumerate() {
                for &b in &largest[..place] {
                    let (from, to) = (self.parts[a], self.parts[b]);
                    if from == to {
                        continue;
                    }
                    let mut change = self.change(a, from, to);
                    self.take(a);
                    self.put(a, to);
                    change += self.change(b, to, from);
                    let (back, part) = if change < -1e-12 { (b, from) } else { (a, from) };
                    self.take(back);
                    self.put(back, part);
                    swapped |= back == b;
                }
            }
        }
        swapped
    }

    /// Whether every class that has enough words in a part still does without a group.
    fn can_spare(&self, index: usize, part: usize) -> bool {
        self.groups[index].counts.iter().all(|&(class, n)| {
            let count = self.counts[class][part];
            self.targets[class].is_none() || count < self.min || count - n >= self.min
        })
    }

    /// What moving a group changes in the sum of squares.
    fn change(&self, index: usize, from: usize, to: usize) -> f64 {
        let mut change = 0.0;
        for &(class, n) in &self.groups[index].counts {
            let Some(targets) = self.targets[class] else { continue };
            let n = n as f64;
            for (part, n) in [(from, -n), (to, n)] {
                if part > 0 {
                    let target = targets[part];
                    let off = self.counts[class][part] as f64 - target;
                    change += n * (2.0 * off + n) / (target * target);
                }
            }
        }
        change
    }

    fn put(&mut self, index: usize, part: usize) {
        self.parts[index] = part;
        for &(class, n) in &self.groups[index].counts {
            self.counts[class][part] += n;
        }
    }

    fn take(&mut self, index: usize) {
        let part = self.parts[index];
        for &(class, n) in &self.groups[index].counts {
            self.counts[class][part] -= n;
        }
    }

    /// Frequent classes first: rarer ones may not undo them.
    fn save_classes(&mut self) {
        let mut order: Vec<usize> = (0..self.totals.len()).collect();
        order.sort_by_key(|&class| std::cmp::Reverse(self.totals[class]));
        for class in order {
            if self.targets[class].is_some() && !self.stays(class) {
                let _ = self.rescue(class, smallest_first) || self.rescue(class, best_fit) || self.redeal(class);
            }
        }
    }

    /// The largest share of a class's words that a group holds. Classes that cannot stay do not count.
    fn weight(&self, group: &Group) -> f64 {
        let counts = group.counts.iter().filter(|(class, _)| self.targets[*class].is_some());
        counts.map(|&(class, n)| n as f64 / self.totals[class] as f64).fold(0.0, f64::max)
    }

    fn stays(&self, class: usize) -> bool {
        self.counts[class].iter().all(|&n| n >= self.min)
    }

    /// Moves groups to the part that lacks most, until the class has enough words in each part, no class being lost for
    /// it; leaves all as it was where that fails.
    fn rescue(&mut self, class: usize, choose: Choose) -> bool {
        let before = (self.counts.clone(), self.parts.clone());
        let safe: Vec<bool> = (0..self.totals.len()).map(|other| self.stays(other)).collect();
        // Every move brings a group to the part that lacks most; parts never give what they need themselves.
        for _ in 0..self.groups.len() {
            let (part, need) = self.lacks_most(class);
            if need == 0 {
                return true;
            }
            let mut candidates: Vec<Candidate> = Vec::new();
            for (index, group) in self.groups.iter().enumerate() {
                let (from, words) = (self.parts[index], group.words_of(class));
                if words == 0 || from == part {
                    continue;
                }
                let spare = |class: usize, n: usize| self.counts[class][from] >= self.min.saturating_add(n);
                // Nor may it bring more of another class than the part's whole target.
                let harmless = group.counts.iter().all(|&(other, n)| {
                    !safe[other] || (spare(other, n) && self.targets[other].is_none_or(|t| n as f64 <= t[part]))
                });
                if harmless && spare(class, words) {
                    candidates.push(Candidate { words, weight: self.weight(group), index });
                }
            }
            let Some(index) = choose(&candidates, need) else { break };
            self.take(index);
            self.put(index, part);
        }
        if self.stays(class) {
            return true;
        }
        (self.counts, self.parts) = before;
        false
    }

    /// The part that lacks most words of a class (train where several do), and how many.
    fn lacks_most(&self, class: usize) -> (usize, usize) {
        let lacks = |part: usize| self.min.saturating_sub(self.counts[class][part]);
        let part = (0..PARTS).rev().max_by_key(|&part| lacks(part)).unwrap_or(0);
        (part, lacks(part))
    }

    /// Deals a class's groups anew, the largest first, to the parts that lack most and then to train; groups with words of
    /// classes that are safe stay where they are. Leaves all as it was where that fails.
    fn redeal(&mut self, class: usize) -> bool {
        let before = (self.counts.clone(), self.parts.clone());
        let is_free = |group: &Group| group.counts.iter().all(|&(other, _)| !self.stays(other));
        let mut free: Vec<usize> = (0..self.groups.len())
            .filter(|&index| self.groups[index].words_of(class) > 0 && is_free(&self.groups[index]))
            .collect();
        free.sort_by_key(|&index| std::cmp::Reverse(self.groups[index].words_of(class)));
        for &index in &free {
            self.take(index);
        }
        for index in free {
            let (part, _) = self.lacks_most(class);
            self.put(index, part);
        }
        if self.stays(class) {
            return true;
        }
        (self.counts, self.parts) = before;
        false
    }
}

impl Group {
    fn words_of(&self, class: usize) -> usize {
        let place = self.counts.binary_search_by_key(&class, |(class, _)| *class);
        place.ok().and_then(|place| self.counts.get(place)).map_or(0, |(_, n)| *n)
    }
}

/// The shares of `total` words, but at least `min` in each part; what that takes, the other parts give in proportion.
fn targets(total: usize, shares: [f64; PARTS], min: usize) -> [f64; PARTS] {
    let (total, min) = (total as f64, min as f64);
    let mut targets = shares.map(|share| share * total);
    // Each round raises a part for good, or ends.
    let mut raised = [false; PARTS];
    for _ in 0..PARTS {
        let Some(short) = (0..PARTS).find(|&part| !raised[part] && targets[part] < min) else { break };
        raised[short] = true;
        targets[short] = min;
        let left = total - min * raised.iter().filter(|raised| **raised).count() as f64;
        let share: f64 = (0..PARTS).filter(|&part| !raised[part]).map(|part| shares[part]).sum();
        for part in (0..PARTS).filter(|&part| !raised[part]) {
            targets[part] = left * shares[part] / share;
        }
    }
    targets
}

/// The most words that a group may have of a class, whose groups have `sizes` words, ascending, and of which the smaller of
/// dev and test should have `smaller`, both together `both`.
fn cap_of(sizes: &[usize], smaller: f64, both: f64) -> usize {
    let mut cap = ((LIGHT * smaller) as usize).max(1);
    let mut words = 0;
    for &size in sizes {
        if size > cap {
            if words as f64 >= SPARE * both || size as f64 > HEAVY * smaller {
                break;
            }
            cap = size;
        }
        words += size;
    }
    cap
}

/// A group that may move.
struct Candidate {
    /// Its words of the class that is short.
    words: usize,
    /// The largest share of any class's words that it holds.
    weight: f64,
    /// The group.
    index: usize,
}

/// Picks a group to move to a part that needs so many words.
type Choose = fn(&[Candidate], usize) -> Option<usize>;

/// The group that moves the balance least.
fn smallest_first(candidates: &[Candidate], _: usize) -> Option<usize> {
    let lightest = candidates.iter().min_by(|a, b| a.weight.total_cmp(&b.weight).then(a.index.cmp(&b.index)));
    lightest.map(|candidate| candidate.index)
}

/// The smallest group that is enough by itself, or the largest: uses up fewer groups.
fn best_fit(candidates: &[Candidate], need: usize) -> Option<usize> {
    let enough = candidates.iter().filter(|candidate| candidate.words >= need).min_by_key(|c| (c.words, c.index));
    let most = || candidates.iter().max_by_key(|c| (c.words, std::cmp::Reverse(c.index)));
    enough.or_else(most).map(|candidate| candidate.index)
}
