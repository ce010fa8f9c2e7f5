//! Ladders that go on to the next of a rotation while somebody else comes on call.

use crate::watched::SHOP;
use crate::world::World;
use carillon_model::definition::DefinitionKind;
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn who_comes_on_call_between_two_steps_is_next_and_nobody_is_paged_twice() {
    let world = World::new().await;
    for (number, user) in [(1, "ann"), (2, "bob"), (3, "zoe")] {
        world.phone(number, user, false).await;
    }
    let rotation = |overrides: Value| {
        let layers = json!([{"members": ["ann", "bob"], "turn": "364d"}]);
        json!({"time_zone": "UTC", "layers": layers, "overrides": overrides})
    };
    let kind = DefinitionKind::Rotation;
    world.put_plan(kind, "web", rotation(json!([]))).await;
    let steps = json!([
        {"whom": {"on_call": "web"}},
        {"after": "1m", "whom": {"next": "web"}},
        {"after": "1m", "whom": {"next": "web"}},
    ]);
    world.ladder("night", steps).await;
    let shop = world
        .monitor("shop", SHOP, json!({"ladder": "night"}))
        .await;
    world.checker.break_down(SHOP);
    let first = world.until_got(1).await[0].phone;
    // Written down late, as it is when somebody takes over in a hurry.
    let stands_in = json!([
        {"user": "zoe", "from": "1970-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
    ]);
    world.put_plan(kind, "web", rotation(stands_in)).await;
    let got = world.until_got(3).await;
    let phones: Vec<u64> = got.iter().map(|got| got.phone).collect();
    assert_eq!(phones, [first, 3, 3 - first]);
    assert_eq!(world.paged(&shop, 1).await.len(), 3);
}
