//! Which keys of a run lie in which region, and who leads those.

use std::collections::BTreeMap;

use client::native::Role;
use client::{Client, Options as ClientOptions};

use super::data::Shape;
use super::options::Options;
use super::workload::Lots;

/// Asks the servers, where the keyspace is sharded; all keys are one lot where it is not.
pub(super) async fn lots(options: &Options, shape: &Shape) -> anyhow::Result<Lots> {
    let Some(keyspace) = &options.keyspace else { return Ok(vec![(0..shape.keys, None)]) };
    let client = Client::connect(options.endpoints.clone(), ClientOptions::default()).await?;
    let mut leaders = BTreeMap::new();
    for (at, endpoint) in options.endpoints.iter().enumerate() {
        let status = client.node_status(endpoint).await?;
        let led = status.regions.iter().filter(|region| region.role() == Role::Leader);
        leaders.extend(led.map(|region| (region.id, at)));
    }
    let regions = client.keyspace_regions(keyspace.as_str()).await?;
    let regions = regions.iter().map(|region| {
        let end = region.end.as_deref().map(<[u8]>::to_vec);
        (region.start.to_vec(), end, leaders.get(&region.region).copied())
    });
    Ok(of_regions(shape, regions))
}

/// Those that have keys; all keys are one lot if none has, or if there are no regions to be told of: who
/// draws from lots needs one.
fn of_regions(
    shape: &Shape,
    regions: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>, Option<usize>)>,
) -> Lots {
    let lots = regions.map(|(start, end, leader)| {
        let end = end.map_or(shape.keys, |end| first_not_below(shape, &end));
        (first_not_below(shape, &start)..end, leader)
    });
    let lots: Lots = lots.filter(|(lot, _)| !lot.is_empty()).collect();
    if lots.is_empty() { vec![(0..shape.keys, None)] } else { lots }
}

/// The number of the first key that is not below `bound`. Keys are as their numbers, in order.
fn first_not_below(shape: &Shape, bound: &[u8]) -> u64 {
    let (mut low, mut high) = (0, shape.keys);
    let mut key = Vec::new();
    while low < high {
        let middle = low + (high - low) / 2;
        key.clear();
        shape.key(middle, &mut key);
        if *key < *bound {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::{first_not_below, of_regions};
    use crate::bench::data::{Shape, Values};

    #[test]
    fn every_key_lies_in_the_lot_of_its_region() {
        let shape = Shape { keys: 1_000, key_bytes: 5, value_bytes: 1, values: Values::Random };
        let bounds: [(&[u8], u64); 6] = [
            (b"", 0),
            (b"00000", 0),
            (b"00500", 500),
            (b"00500x", 501),
            (b"007", 700),
            (b"a", 1_000),
        ];
        for (bound, first) in bounds {
            assert_eq!(first_not_below(&shape, bound), first, "{bound:?}");
        }
        let region = |start: &str, end: Option<&str>| {
            (start.as_bytes().to_vec(), end.map(|end| end.as_bytes().to_vec()), Some(1))
        };
        let some = [region("", Some("00300")), region("00300", None), region("a", None)];
        let lots = of_regions(&shape, some.into_iter());
        assert_eq!(lots, [(0..300, Some(1)), (300..1_000, Some(1))]);
        // Regions that begin behind all keys, and none at all.
        for regions in [vec![region("a", None)], Vec::new()] {
            assert_eq!(of_regions(&shape, regions.into_iter()), [(0..1_000, None)]);
        }
    }
}
