//! Lists: what an upload names, which devices a name means, and what becomes of the others.

use super::Subject;
use super::fixture::{Fixture, T0, address, nobody, registration};
use crate::list::{DeviceNames, ListPut};
use crate::store::{NewNotification, Retention};
use carillon_model::batch::BatchDevices;
use carillon_model::definition::DefinitionKind;
use carillon_model::id::{AppNo, DeviceNo, ListNo};
use carillon_model::list::{FrozenList, ListDefinition, UploadCounts};
use carillon_model::push_type::{Reach, TokenKind};
use carillon_model::target::{Audience, Target};

const MOST: u32 = 3;

fn alert() -> Reach {
    Reach::only(TokenKind::Alert)
}

fn whole(devices: &[DeviceNo]) -> Vec<BatchDevices> {
    vec![BatchDevices::new(devices.to_vec())]
}

impl Fixture {
    async fn named(&self, names: DeviceNames) -> Vec<Vec<DeviceNo>> {
        self.hot.devices_named(self.app, names, 2).await.unwrap()
    }

    async fn unnamed_list(&self, devices: &[DeviceNo]) -> ListNo {
        let list = self.hot.begin_list(self.app, T0).await.unwrap();
        let extended = self.hot.extend_list(list, whole(devices), T0).await;
        assert!(extended.unwrap());
        list
    }

    async fn name(&self, name: &str, list: ListNo) -> ListPut {
        let definition = ListDefinition {
            list,
            devices: 1,
            upload: UploadCounts::default(),
        };
        let named = self
            .hot
            .name_list(self.app, name.into(), definition, MOST, T0, nobody());
        named.await.unwrap()
    }

    async fn list(&self, name: &str, devices: &[DeviceNo]) -> ListNo {
        let list = self.unnamed_list(devices).await;
        assert!(matches!(self.name(name, list).await, ListPut::Stored(_)));
        list
    }

    async fn whom(&self, list: ListNo) -> Vec<DeviceNo> {
        let page = self
            .hot
            .list_devices(self.app, list, alert(), DeviceNo(0), 100, 100);
        let page = page.await.unwrap();
        page.recipients.iter().map(|to| to.device).collect()
    }

    async fn prune_lists(&self, before: i64) {
        let retention = Retention {
            content_before: T0,
            records_before: T0,
            versions_before: T0,
            lists_before: before,
            now: T0,
            slice: 1,
        };
        while self.hot.prune(retention).await.unwrap() > 0 {}
    }
}

/// By id, by user, by push token; none of them by those of another App.
pub async fn finds_the_devices_of_an_upload(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let mut people: Vec<_> = (1..=4)
        .map(|n| registration(&format!("d{n}"), "ann", n))
        .collect();
    people[3].user_id = Some("bob".into());
    // Without an id and without a push token.
    people.push(registration("", "cat", 5));
    people[4].id = None;
    people[4].push_tokens.clear();
    let made = f.registry.register_devices(f.app, people, T0).await;
    let made = made.unwrap();
    let no = |at: usize| made[at].no;
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let ids = DeviceNames::Devices(text(&["d2", "nobody", "d1", &made[4].id]));
    assert_eq!(
        f.named(ids.clone()).await,
        [vec![no(1)], vec![], vec![no(0)], vec![no(4)]]
    );
    let users = DeviceNames::Users(text(&["bob", "ann", "dan"]));
    assert_eq!(
        f.named(users.clone()).await,
        [vec![no(3)], vec![no(0), no(1)], vec![]],
        "not more than are asked for"
    );
    let tokens = DeviceNames::PushTokens(TokenKind::Alert, vec![address(9), address(3)]);
    assert_eq!(f.named(tokens.clone()).await, [vec![], vec![no(2)]]);
    let voip = DeviceNames::PushTokens(TokenKind::Voip, vec![address(3)]);
    assert_eq!(f.named(voip).await, [vec![]]);
    let other = AppNo(f.app.0 + 1);
    for names in [ids, users, tokens] {
        let found = f.hot.devices_named(other, names, 2).await.unwrap();
        assert!(found.iter().all(Vec::is_empty), "{found:?}");
    }
}

/// An upload that is not named means nothing; one that is, is the next version; one that is deleted is gone.
pub async fn a_list_means_the_last_whole_upload(subject: &mut dyn Subject) {
    let mut f = Fixture::new(subject).await;
    let devices = f.devices(1, 4).await;
    let first = f.list("vips", &devices[..2]).await;
    let broken_off = f.unnamed_list(&devices[2..]).await;
    subject.restart().await;
    f = f.again(subject);
    let directory = f.registry.directory().await.unwrap();
    let (stored, secret) = &directory.definitions[0];
    assert_eq!((stored.kind, &*stored.name), (DefinitionKind::List, "vips"));
    assert_eq!((stored.version, secret), (1, &None));
    let read = ListDefinition::read(&stored.body).unwrap();
    assert_eq!(read.list, first);
    assert_eq!(f.whom(first).await, devices[..2]);

    let second = f.unnamed_list(&devices[1..2]).await;
    let more = whole(&devices[3..]);
    assert!(f.hot.extend_list(second, more.clone(), T0).await.unwrap());
    let ListPut::Stored(stored) = f.name("vips", second).await else {
        panic!("it is there");
    };
    assert_eq!(stored.version, 2);
    assert_eq!(f.whom(second).await, [devices[1], devices[3]]);
    assert!(!f.hot.extend_list(second, more, T0).await.unwrap());
    assert_eq!(f.name("vips", second).await, ListPut::Gone, "it has a name");
    let audit = f.registry.audit(None, 1).await.unwrap();
    assert_eq!(
        (&*audit[0].action, &*audit[0].subject),
        ("list.put", "shop/vips")
    );

    f.prune_lists(T0 + 1).await;
    assert_eq!(f.whom(first).await, [], "another has its name");
    assert_eq!(f.whom(broken_off).await, []);
    assert_eq!(f.name("vips", broken_off).await, ListPut::Gone);
    assert_eq!(f.whom(second).await.len(), 2);
}

/// Devices that are gone, have no push token within reach or belong to another App are passed over.
pub async fn lists_are_fanned_out_in_bounds(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 8).await;
    let mut web = registration("web", "u9", 9);
    web.push_tokens.clear();
    let web = f.registry.register_devices(f.app, vec![web], T0).await;
    let web = web.unwrap()[0].no;
    let list = f.unnamed_list(&devices[..4]).await;
    let rest = [&devices[4..], &[web]].concat();
    f.hot.extend_list(list, whole(&rest), T0).await.unwrap();
    f.name("all", list).await;
    f.registry
        .delete_device(f.app, "d3".into(), T0, nobody())
        .await
        .unwrap();
    let page = async |after: DeviceNo, limit, scan| {
        let page = f.hot.list_devices(f.app, list, alert(), after, limit, scan);
        let page = page.await.unwrap();
        let found: Vec<_> = page.recipients.iter().map(|to| to.device).collect();
        (found, page.looked_to, page.finished)
    };
    assert_eq!(
        page(DeviceNo(0), 2, 100).await,
        (devices[..2].to_vec(), devices[1], false)
    );
    assert_eq!(
        page(devices[1], 100, 3).await,
        (devices[3..5].to_vec(), devices[4], false)
    );
    assert_eq!(
        page(devices[4], 100, 100).await,
        (devices[5..].to_vec(), web, true)
    );
    assert_eq!(page(web, 9, 9).await, (vec![], web, true));
    let other = AppNo(f.app.0 + 1);
    let none = f.hot.list_devices(other, list, alert(), DeviceNo(0), 9, 9);
    assert!(none.await.unwrap().recipients.is_empty());
    let voip = Reach::only(TokenKind::Voip);
    let none = f.hot.list_devices(f.app, list, voip, DeviceNo(0), 9, 9);
    assert!(none.await.unwrap().recipients.is_empty());
    f.registry
        .erase_user(f.app, "u1".into(), T0, nobody())
        .await
        .unwrap();
    assert!(!f.whom(list).await.contains(&devices[0]), "he was erased");
}

/// No more names than are allowed; a name that there is can be given again.
pub async fn lists_are_bounded_in_number(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 1).await;
    for name in ["a", "b", "c"] {
        f.list(name, &devices).await;
    }
    let list = f.unnamed_list(&devices).await;
    assert_eq!(f.name("d", list).await, ListPut::TooMany);
    assert!(matches!(f.name("b", list).await, ListPut::Stored(_)));
    let kind = DefinitionKind::List;
    let deleted = f
        .registry
        .delete_definition(f.app, kind, "a".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    f.list("d", &devices).await;
}

/// After a while, in slices; not while a fan-out reads it.
pub async fn lists_without_a_name_go(subject: &mut dyn Subject) {
    let f = Fixture::new(subject).await;
    let devices = f.devices(1, 3).await;
    let list = f.list("vips", &devices).await;
    let audience = Audience {
        target: Target::List("vips".into()),
        except_users: Vec::new(),
        segment: None,
        list: Some(FrozenList {
            version: 1,
            no: list,
        }),
        starts: None,
    };
    let sent = NewNotification {
        fanout: Some(audience),
        ..f.notification(&[], 1, false)
    };
    let no = sent.no;
    f.accept(sent).await;
    let kind = DefinitionKind::List;
    let deleted = f
        .registry
        .delete_definition(f.app, kind, "vips".into(), T0, nobody());
    assert!(deleted.await.unwrap());
    f.prune_lists(T0 + 1).await;
    assert_eq!(f.whom(list).await, devices, "a fan-out reads it");
    f.hot.cancel(f.app, no, T0).await.unwrap();
    f.prune_lists(T0).await;
    assert_eq!(f.whom(list).await, devices, "it lost its name just now");
    f.prune_lists(T0 + 1).await;
    assert_eq!(f.whom(list).await, []);

    let list = f.list("vips", &devices).await;
    f.registry.delete_app(f.app, T0, nobody()).await.unwrap();
    f.prune_lists(T0 + 1).await;
    assert_eq!(f.whom(list).await, [], "its App is gone");
    let late = f.hot.begin_list(f.app, T0).await.unwrap();
    assert_eq!(f.name("vips", late).await, ListPut::Gone);
}
