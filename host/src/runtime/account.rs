//! What actors use together, and may: the budgets of subtrees (semantics 11, I22).
//!
//! Each budget is an account; an actor is charged to the account it was started under, and so to every
//! account above that one, up to the host's. What one of them has no room for is refused, and no account is
//! charged. Processor time is not refused: who is over its share waits until it is not.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use steading_types::{ActorId, Budget, Uuid};

/// Nanoseconds of its share that an account may save up.
const SAVED: u64 = 50_000_000;

/// One budget, and what is used of it.
#[derive(Debug)]
pub(crate) struct Account {
    above: Option<Arc<Account>>,
    /// Whose it is, as the subject of a sentence.
    owner: String,
    /// Of which actor with all below it; `None` if of nobody's.
    of: Option<Uuid>,
    memory: Gauge,
    actors: Gauge,
    cpu: Option<Share>,
    /// Whether this or one above has a share of processor time.
    shares: bool,
}

/// How much there is of something that is bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Now.
    pub now: u64,
    /// The most that there was at once.
    pub most: u64,
    /// The most that there may be; `None` if that is bounded only further up.
    pub limit: Option<u64>,
}

/// What an actor with a budget and all below it use together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BudgetStatus {
    /// Bytes of memory.
    pub memory: Use,
    /// Actors, itself included.
    pub actors: Use,
    /// Thousandths of a core that they may use on average.
    pub cpu_limit: Option<u32>,
}

/// What an account had no room for.
#[derive(Clone, Debug)]
pub(crate) struct Exceeded {
    /// `memory` or `actors`.
    pub(crate) what: &'static str,
    /// Whose account it is.
    pub(crate) account: Arc<Account>,
}

impl Account {
    /// An account within this one, or within none.
    pub(crate) fn new(above: Option<Arc<Self>>, owner: String, budget: Budget) -> Arc<Self> {
        Self::make(above, (owner, None), budget)
    }

    /// That of an actor with all below it, within this one.
    pub(crate) fn of_subtree(self: &Arc<Self>, id: &ActorId, budget: Budget) -> Arc<Self> {
        let owner = format!("{id} with all below it");
        Self::make(Some(self.clone()), (owner, Some(id.uuid)), budget)
    }

    fn make(above: Option<Arc<Self>>, (owner, of): (String, Option<Uuid>), budget: Budget) -> Arc<Self> {
        let shares = budget.cpu.is_some() || above.as_ref().is_some_and(|above| above.shares);
        Arc::new(Self {
            above,
            owner,
            of,
            memory: Gauge::of(budget.memory.unwrap_or(u64::MAX)),
            actors: Gauge::of(budget.actors.map_or(u64::MAX, u64::from)),
            cpu: budget.cpu.map(Share::of),
            shares,
        })
    }

    /// This account and those above, the nearest first.
    fn chain(self: &Arc<Self>) -> impl Iterator<Item = &Arc<Self>> {
        std::iter::successors(Some(self), |account| account.above.as_ref())
    }

    /// What is used of it, if it is that of this actor with all below it, and not of somebody above.
    pub(crate) fn status_for(&self, id: &ActorId) -> Option<BudgetStatus> {
        (self.of == Some(id.uuid)).then(|| BudgetStatus {
            memory: self.memory.status(),
            actors: self.actors.status(),
            cpu_limit: self.cpu.as_ref().map(|share| share.thousandths),
        })
    }

    /// Whether what is charged here is charged to `other` too.
    pub(crate) fn is_within(self: &Arc<Self>, other: &Arc<Self>) -> bool {
        self.chain().any(|account| Arc::ptr_eq(account, other))
    }

    /// Charges all or nothing.
    fn charge(self: &Arc<Self>, what: &'static str, of: fn(&Self) -> &Gauge, amount: u64) -> Result<(), Exceeded> {
        // From the top: a bound that is nearer is not charged, and refuses nobody else, for what is refused above.
        let chain: Vec<_> = self.chain().collect();
        for (i, account) in chain.iter().enumerate().rev() {
            if !of(account).take(amount) {
                chain[i + 1..].iter().for_each(|above| of(above).give(amount));
                let account = Arc::clone(account);
                return Err(Exceeded { what, account });
            }
        }
        Ok(())
    }

    /// Charges for bytes of linear memory.
    pub(crate) fn take_memory(self: &Arc<Self>, bytes: u64) -> Result<(), Exceeded> {
        self.charge("memory", |account| &account.memory, bytes)
    }

    /// Charges for bytes that are there already, whether there is room for them or not: who is over its bound is refused
    /// whatever it asks for next.
    pub(crate) fn owe_memory(self: &Arc<Self>, bytes: u64) {
        self.chain().for_each(|account| account.memory.owe(bytes));
    }

    /// Whether this account, or one above, has more memory charged to it than it may have.
    pub(crate) fn is_overdrawn(self: &Arc<Self>) -> bool {
        self.chain().any(|account| account.memory.is_overdrawn())
    }

    pub(crate) fn give_memory(self: &Arc<Self>, bytes: u64) {
        self.chain().for_each(|account| account.memory.give(bytes));
    }

    /// Charges for an actor, for as long as the answer is held.
    pub(crate) fn admit(self: &Arc<Self>) -> Result<Admission, Exceeded> {
        self.charge("actors", |account| &account.actors, 1)?;
        Ok(Admission(self.clone()))
    }

    /// Whether processor time is bounded here.
    pub(crate) fn has_share(&self) -> bool {
        self.shares
    }

    /// Charges for processor time that was used up to `now`.
    pub(crate) fn take_cpu(self: &Arc<Self>, used: u64, now: u64) {
        let shares = self.chain().filter_map(|account| account.cpu.as_ref());
        shares.for_each(|share| share.charge(used, now));
    }

    /// For how long its actors have to let go of the processor.
    pub(crate) fn rest(self: &Arc<Self>, now: u64) -> Duration {
        let shares = self.chain().filter_map(|account| account.cpu.as_ref());
        Duration::from_nanos(shares.map(|share| share.rest(now)).max().unwrap_or(0))
    }
}

impl Exceeded {
    /// Whether it is the host's own account: whoever uses that is nobody else's business.
    pub(crate) fn is_of_all(&self) -> bool {
        self.account.above.is_none()
    }

    /// The kind of limit it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self.what {
            "memory" => "budget-memory",
            _ => "budget-actors",
        }
    }

    /// Which bound was reached, as a sentence; `users` are those charged to it, with what each has of it.
    pub(crate) fn text(&self, mut users: Vec<(String, u64)>) -> String {
        const NAMED: usize = 5;
        let (limit, unit) = match self.what {
            "memory" => (self.account.memory.limit, " bytes of memory"),
            _ => (self.account.actors.limit, " actors"),
        };
        let mut text = format!("{} may have {limit}{unit} in all", self.account.owner);
        users.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = users.len().saturating_sub(NAMED);
        for (i, (name, used)) in users.iter().take(NAMED).enumerate() {
            text.push_str(if i == 0 { "; in use: " } else { ", " });
            match self.what {
                "memory" => text.push_str(&format!("{used} by {name}")),
                _ => text.push_str(name),
            }
        }
        if rest > 0 {
            text.push_str(&format!(" and {rest} more"));
        }
        text
    }
}

/// Memory of the host's own that is charged to an account, for as long as this is held.
#[derive(Debug)]
pub(crate) struct Held {
    account: Arc<Account>,
    bytes: u64,
}

impl Held {
    /// Charges for so many bytes, if there is room.
    pub(crate) fn take(account: &Arc<Account>, bytes: usize) -> Result<Self, Exceeded> {
        let bytes = bytes as u64;
        account.take_memory(bytes)?;
        let account = account.clone();
        Ok(Self { account, bytes })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.give_memory(self.bytes);
    }
}

/// Bytes that are charged to an account, for as long as they are held.
#[derive(Debug)]
pub(crate) struct Charged {
    bytes: Vec<u8>,
    _held: Held,
}

impl Charged {
    /// Charges for them, if there is room.
    pub(crate) fn new(bytes: Vec<u8>, account: &Arc<Account>) -> Result<Self, Exceeded> {
        let _held = Held::take(account, bytes.len())?;
        Ok(Self { bytes, _held })
    }
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One actor's place in its accounts.
#[derive(Debug)]
pub(crate) struct Admission(Arc<Account>);

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.chain().for_each(|account| account.actors.give(1));
    }
}

#[derive(Debug)]
struct Gauge {
    used: AtomicU64,
    /// The most that there was of it.
    most: AtomicU64,
    limit: u64,
}

impl Gauge {
    fn of(limit: u64) -> Self {
        Self {
            used: AtomicU64::new(0),
            most: AtomicU64::new(0),
            limit,
        }
    }

    fn take(&self, amount: u64) -> bool {
        let more = |used: u64| used.checked_add(amount).filter(|used| *used <= self.limit);
        let before = self.used.fetch_update(Relaxed, Relaxed, more);
        before.map(|before| self.note(before + amount)).is_ok()
    }

    fn note(&self, used: u64) {
        self.most.fetch_max(used, Relaxed);
    }

    fn status(&self) -> Use {
        Use {
            now: self.used.load(Relaxed),
            most: self.most.load(Relaxed),
            limit: (self.limit != u64::MAX).then_some(self.limit),
        }
    }

    fn owe(&self, amount: u64) {
        let before = self.used.fetch_add(amount, Relaxed);
        self.note(before.saturating_add(amount));
    }

    fn is_overdrawn(&self) -> bool {
        self.used.load(Relaxed) > self.limit
    }

    fn give(&self, amount: u64) {
        self.used.fetch_sub(amount, Relaxed);
    }
}

/// A bucket of processor time that fills at a rate. It may be overdrawn by what a turn takes before it can be
/// interrupted; that is paid back before the next.
#[derive(Debug)]
struct Share {
    thousandths: u32,
    bucket: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    nanoseconds: i64,
    filled_at: u64,
}

impl Share {
    fn of(thousandths: u32) -> Self {
        let thousandths = thousandths.max(1);
        let bucket = Bucket {
            nanoseconds: Self::most(thousandths),
            filled_at: 0,
        };
        Self {
            thousandths,
            bucket: Mutex::new(bucket),
        }
    }

    fn most(thousandths: u32) -> i64 {
        (SAVED / 1000 * u64::from(thousandths)) as i64
    }

    fn with<T>(&self, now: u64, act: impl FnOnce(&mut Bucket) -> T) -> T {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = u128::from(now.saturating_sub(bucket.filled_at));
        let earned = i64::try_from(passed * u128::from(self.thousandths) / 1000).unwrap_or(i64::MAX);
        // What is too short to earn anything is counted the next time.
        if earned > 0 {
            let most = Self::most(self.thousandths);
            bucket.nanoseconds = bucket.nanoseconds.saturating_add(earned).min(most);
            bucket.filled_at = now;
        }
        act(&mut bucket)
    }

    fn charge(&self, used: u64, now: u64) {
        let used = i64::try_from(used).unwrap_or(i64::MAX);
        self.with(now, |bucket| {
            bucket.nanoseconds = bucket.nanoseconds.saturating_sub(used)
        });
    }

    fn rest(&self, now: u64) -> u64 {
        let owed = self.with(now, |bucket| bucket.nanoseconds.min(0).unsigned_abs());
        owed.saturating_mul(1000).div_ceil(u64::from(self.thousandths))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(above: Option<&Arc<Account>>, budget: Budget) -> Arc<Account> {
        Account::new(above.cloned(), "it".to_owned(), budget)
    }

    #[test]
    fn a_part_is_charged_to_the_whole_as_well() {
        let whole = account(None, Budget::default().memory(100));
        let part = account(Some(&whole), Budget::default().memory(80));
        let other = account(Some(&whole), Budget::default());
        part.take_memory(60).expect("both have room");
        let exceeded = other.take_memory(50).expect_err("the whole has none");
        assert!(Arc::ptr_eq(&exceeded.account, &whole));
        assert_eq!(
            other.memory.used.load(Relaxed),
            0,
            "what was refused is charged to nobody"
        );
        other.take_memory(40).expect("the whole has room for so much");
        part.give_memory(60);
        other.give_memory(40);
        assert_eq!(whole.memory.used.load(Relaxed), 0);
    }

    #[test]
    fn what_is_there_already_is_owed_and_bytes_are_charged_for_as_long_as_they_are_held() {
        let whole = account(None, Budget::default().memory(100));
        let part = account(Some(&whole), Budget::default());
        let held = Charged::new(vec![0; 90], &part).expect("there is room");
        Charged::new(vec![0; 20], &part).expect_err("there is none");
        part.owe_memory(20);
        assert!(part.is_overdrawn() && whole.is_overdrawn());
        drop(held);
        assert!(!part.is_overdrawn());
        part.give_memory(20);
        let memory = whole.memory.status();
        assert_eq!((memory.now, memory.most), (0, 110), "what was owed was there as well");
    }

    #[test]
    fn actors_count_for_as_long_as_they_are_admitted() {
        let whole = account(None, Budget::default().actors(2));
        let part = account(Some(&whole), Budget::default().actors(5));
        let (first, _second) = (part.admit().expect("one"), whole.admit().expect("two"));
        let exceeded = part.admit().expect_err("three");
        let users = vec![("a".to_owned(), 1), ("b".to_owned(), 1)];
        assert_eq!(exceeded.text(users), "it may have 2 actors in all; in use: a, b");
        drop(first);
        part.admit().expect("one has left");
    }

    #[test]
    fn who_is_over_its_share_rests_until_it_is_not() {
        let half = account(None, Budget::default().cpu(0.5));
        let within = account(Some(&half), Budget::default());
        assert!(within.has_share());
        assert_eq!(within.rest(0), Duration::ZERO, "there is something saved up");
        within.take_cpu(SAVED / 2 + 1_000_000, 0);
        assert_eq!(within.rest(0), Duration::from_millis(2));
        assert_eq!(within.rest(1_000_000), Duration::from_millis(1));
        assert_eq!(within.rest(2_000_000), Duration::ZERO);
        assert!(!account(None, Budget::default()).has_share());
    }

    #[test]
    fn those_who_use_most_are_named_first() {
        let exceeded = Exceeded {
            what: "memory",
            account: account(None, Budget::default().memory(9)),
        };
        let users = (0..7).map(|i| (format!("w{i}"), i)).collect();
        assert_eq!(
            exceeded.text(users),
            "it may have 9 bytes of memory in all; in use: 6 by w6, 5 by w5, 4 by w4, 3 by w3, 2 by w2 and 2 more"
        );
    }
}
