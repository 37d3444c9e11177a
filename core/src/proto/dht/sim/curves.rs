//! The large runs, which take minutes: `make sim` prints what they saw.

use super::scenarios::{Figures, churn, eclipse, fetch, store};
use super::world::{Lie, Setting, World};

#[test]
#[ignore = "minutes: run by make sim"]
fn curves() {
    println!("curve,nodes,case,{}", Figures::COLUMNS);
    for size in [100, 300, 1000, 3000, 10_000] {
        let mut world = World::grown(size, Setting::honest(1));
        let (stored, values) = store(&mut world, 300);
        println!("store,{size},log2={:.1},{stored}", (size as f64).log2());
        let fetched = fetch(&mut world, &values, 2);
        println!("fetch,{size},honest,{fetched}");
        assert_eq!(fetched.right, 100.0);
        if size == 10_000 {
            churn(&mut world);
            let fetched = fetch(&mut world, &values, 2);
            println!("churn,{size},a third left and came,{fetched}");
            assert!(fetched.right >= 99.5);
        }
    }
    for hands_over in [true, false] {
        let setting = Setting {
            hands_over,
            ..Setting::honest(2)
        };
        let mut world = World::grown(1000, setting);
        let (_, values) = store(&mut world, 300);
        churn(&mut world);
        let fetched = fetch(&mut world, &values, 2);
        println!("churn,1000,hand-over={hands_over},{fetched}");
    }
    for liars in [10, 20, 30] {
        for lie in [Lie::EachOther, Lie::Nobody, Lie::NoValue] {
            for (paths, doubts) in [(1, false), (3, false), (1, true), (3, true)] {
                let setting = Setting {
                    liars,
                    lie,
                    paths,
                    doubts,
                    ..Setting::honest(3)
                };
                let mut world = World::grown(1000, setting);
                let (_, values) = store(&mut world, 100);
                let fetched = fetch(&mut world, &values, 3);
                println!("lies,1000,{liars}% {lie:?} paths={paths} doubts={doubts},{fetched}");
            }
        }
    }
    for one_network in [true, false] {
        let mut world = World::grown(1000, Setting::honest(4));
        world.setting.lie = Lie::EachOther;
        world.setting.paths = 3;
        let fetched = eclipse(&mut world, one_network, 300);
        println!("eclipse,1000,one network={one_network},{fetched}");
    }
}
