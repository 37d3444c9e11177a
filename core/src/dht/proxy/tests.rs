use super::*;

fn peer(fill: u8) -> PeerId {
    PeerId::from_bytes(&[&[0x12, 0x20][..], &[fill; 32]].concat()).unwrap()
}

fn reason<T: std::fmt::Debug>(refused: Result<T, (Reason, &str)>) -> Reason {
    refused.unwrap_err().0
}

fn permitting() -> Proxying {
    let proxying = Proxying::default();
    proxying.permitted.store(true, Ordering::Relaxed);
    proxying
}

#[test]
fn who_permits_it_not_is_no_proxy() {
    let refused = Proxying::default();
    assert_eq!(reason(refused.admit(peer(1), 0, Now::ZERO)), Reason::Policy);
}

#[test]
fn walks_are_bounded_for_each_and_in_all_and_end() {
    let proxying = permitting();
    let admit = |number: usize| proxying.admit(peer(number as u8), 0, Now::ZERO);
    let mut turns: Vec<_> = (0..WALKS_EACH).map(|_| admit(0).unwrap()).collect();
    assert_eq!(reason(admit(0)), Reason::Busy);
    for other in 1..=WALKS_MAX - WALKS_EACH {
        turns.push(admit(other).unwrap());
    }
    assert_eq!(reason(admit(WALKS_MAX)), Reason::Busy);
    turns.remove(0);
    turns.push(admit(0).unwrap());
    drop(turns);
    assert!(admit(WALKS_MAX).is_ok());
}

#[test]
fn each_asker_has_a_budget_that_comes_back_with_time() {
    let proxying = permitting();
    let most = BUDGET - WALK_COST;
    assert_eq!(
        reason(proxying.admit(peer(1), most + 1, Now::ZERO)),
        Reason::Quota
    );
    drop(proxying.admit(peer(1), most, Now::ZERO).unwrap());
    assert_eq!(reason(proxying.admit(peer(1), 0, Now::ZERO)), Reason::Quota);
    assert!(proxying.admit(peer(2), most, Now::ZERO).is_ok());
    // A half of it in half of the time, also where it is looked at often.
    for second in 0..1800 {
        drop(proxying.admit(peer(3), 0, Now::from_secs(second)));
    }
    let half = Now::from_secs(1800);
    let admitted = proxying.admit(peer(1), BUDGET / 2 - 2 * WALK_COST, half);
    drop(admitted.unwrap());
    assert_eq!(
        reason(proxying.admit(peer(1), WALK_COST, half)),
        Reason::Quota
    );
    // What was moved after all is counted, too, and who has all of it again is forgotten.
    let turn = proxying.admit(peer(2), 0, Now::from_secs(7200)).unwrap();
    assert_eq!(proxying.askers().len(), 1);
    turn.charge(u64::MAX);
    drop(turn);
    assert_eq!(
        reason(proxying.admit(peer(2), 0, Now::from_secs(7200))),
        Reason::Quota
    );
}
