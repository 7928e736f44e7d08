//! How often somebody may ask.

use super::Refusal;
use crate::limits::Limits;
use crate::problem::ProblemKind;
use crate::tokens::TokenHash;
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Instant;

/// Whose requests, streams and connections are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    Token(TokenHash),
    /// Of IPv6 the network: one who has an address there has all of it.
    Address(IpAddr),
}

impl Client {
    pub(crate) fn of(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
            }
            address => address,
        })
    }
}

type Limiter = RateLimiter<Client, HashMapStateStore<Client>, MonotonicClock, NoOpMiddleware<Instant>>;

pub(super) struct Rates {
    requests: Limiter,
    refusals: Limiter,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let limiter = |quota| RateLimiter::new(quota, HashMapStateStore::default(), MonotonicClock);
        let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            requests: limiter(Quota::per_second(at_least_one(limits.requests_per_second_max))),
            refusals: limiter(Quota::per_minute(at_least_one(limits.refusals_per_minute_max))),
        }
    }

    pub(super) fn check(&self, client: &Client) -> Result<(), Refusal> {
        check(&self.requests, client, "requests come faster than the server takes them from one client")
    }

    /// Counts a request without a valid token.
    pub(super) fn check_refusal(&self, address: IpAddr) -> Result<(), Refusal> {
        check(
            &self.refusals,
            &Client::of(address),
            "too many requests without a valid token come from this address",
        )
    }

    pub(super) fn tidy(&self) {
        for limiter in [&self.requests, &self.refusals] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

fn check(limiter: &Limiter, client: &Client, what: &str) -> Result<(), Refusal> {
    limiter.check_key(client).map_err(|until| {
        let after = until.wait_time_from(MonotonicClock.now());
        Refusal::later(ProblemKind::TooMany, format!("{what}; ask again later"), after)
    })
}
