//! The manifests: put together and typed by kubectl, held against each other, and run here, each Deployment as a
//! process with the arguments, the environment and the files that its container would have.

use super::{check_config, folder, run, seconds, tool};
use crate::support::{Home, Server, run_in, signal, until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carillon_store_sql::testing::Scratch;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROLES: [&str; 4] = ["api", "scheduler", "sender", "worker"];
/// Where the containers have what belongs to them.
const PLACE: &str = "/etc/carillon";

fn kubectl() -> Option<Command> {
    tool("PUSH_TEST_KUBECTL", "Kubernetes' manifests")
}

/// Several documents, one after the other.
fn documents(text: &str) -> Vec<Value> {
    let all = serde_json::Deserializer::from_str(text).into_iter();
    all.map(Result::unwrap).collect()
}

/// What an overlay or the base comes to.
struct Manifests(Vec<Value>);

impl Manifests {
    fn of(place: &str) -> Option<Self> {
        let whole = run(kubectl()?
            .arg("kustomize")
            .arg(folder().join("kubernetes").join(place)));
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("all.yaml");
        std::fs::write(&file, whole).unwrap();
        // Changes nothing, and says it as JSON; no cluster is asked.
        let mut patch = kubectl()?;
        patch.args([
            "patch",
            "--local",
            "--type=merge",
            "--patch={}",
            "--output=json",
            "--filename",
        ]);
        Some(Self(documents(&run(patch.arg(&file)))))
    }

    fn all(&self, kind: &str) -> Vec<&Value> {
        let of_kind = self.0.iter().filter(|it| it["kind"] == kind);
        of_kind.collect()
    }

    fn find(&self, kind: &str, name: &str) -> &Value {
        let all = self.all(kind);
        let found = all.into_iter().find(|it| it["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
    }

    /// Deployments and Jobs.
    fn workloads(&self) -> Vec<&Value> {
        let mut all = self.all("Deployment");
        all.extend(self.all("Job"));
        all
    }

    fn role(&self, role: &str) -> &Value {
        self.find("Deployment", &format!("carillon-{role}"))
    }

    /// Files that a volume has, by name.
    fn files(&self, volume: &Value) -> BTreeMap<String, Vec<u8>> {
        let (kind, name, key) = match volume["configMap"]["name"].as_str() {
            Some(name) => ("ConfigMap", name, "configMap"),
            None => (
                "Secret",
                volume["secret"]["secretName"].as_str().unwrap(),
                "secret",
            ),
        };
        let data = self.find(kind, name)["data"].as_object().unwrap();
        let items = volume[key]["items"].as_array();
        let is_taken =
            |name: &str| items.is_none_or(|items| items.iter().any(|it| it["key"] == name));
        data.iter()
            .filter(|(name, _)| is_taken(name))
            .map(|(name, value)| {
                let value = value.as_str().unwrap();
                let bytes = match kind {
                    // In lines, where it is long.
                    "Secret" => BASE64.decode(value.replace('\n', "")).unwrap(),
                    _ => value.as_bytes().to_vec(),
                };
                (name.clone(), bytes)
            })
            .collect()
    }
}

fn pod(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

fn container(workload: &Value) -> &Value {
    &pod(workload)["containers"][0]
}

/// A container's environment and arguments, with what it mounts below a folder here.
struct Contained {
    args: Vec<String>,
    env: BTreeMap<String, String>,
    root: PathBuf,
}

impl Contained {
    fn make(manifests: &Manifests, workload: &Value, place: &Path) -> Self {
        let root = place.join(workload["metadata"]["name"].as_str().unwrap());
        let here =
            |path: &str| root.join(path.strip_prefix(PLACE).unwrap().trim_start_matches('/'));
        let container = container(workload);
        for mount in container["volumeMounts"].as_array().unwrap() {
            let volumes = pod(workload)["volumes"].as_array().unwrap();
            let volume = volumes
                .iter()
                .find(|it| it["name"] == mount["name"])
                .unwrap();
            let at = here(mount["mountPath"].as_str().unwrap());
            for (name, bytes) in manifests.files(volume) {
                let file = match mount["subPath"].as_str() {
                    Some(path) if path == name => at.clone(),
                    Some(_) => continue,
                    None => at.join(name),
                };
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(&file, bytes).unwrap();
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(&file, mode).unwrap();
            }
        }
        let mut env = BTreeMap::new();
        for variable in container["env"].as_array().unwrap() {
            let mut value = variable["value"].as_str().unwrap().to_owned();
            if value.starts_with(PLACE) {
                let file = here(&value);
                assert!(file.exists(), "{value} is not mounted");
                value = file.display().to_string();
            }
            env.insert(variable["name"].as_str().unwrap().to_owned(), value);
        }
        let args = container["args"].as_array().unwrap();
        let args = args.iter().map(|it| it.as_str().unwrap().to_owned());
        Self {
            args: args.collect(),
            env,
            root,
        }
    }

    fn config(&self) -> PathBuf {
        self.env["CARILLON_CONFIG"].clone().into()
    }

    fn table(&self) -> toml::Table {
        std::fs::read_to_string(self.config())
            .unwrap()
            .parse()
            .unwrap()
    }
}

/// What the first has and the second has not.
fn lost(whole: &Value, part: &Value, at: &str, found: &mut Vec<String>) {
    match (whole, part) {
        (Value::Object(whole), _) => {
            for (name, value) in whole {
                match part.get(name) {
                    Some(part) => lost(value, part, &format!("{at}.{name}"), found),
                    None => found.push(format!("{at}.{name}")),
                }
            }
        }
        (Value::Array(whole), Value::Array(part)) if whole.len() == part.len() => {
            for (n, (whole, part)) in whole.iter().zip(part).enumerate() {
                lost(whole, part, &format!("{at}[{n}]"), found);
            }
        }
        (Value::Array(_), _) => found.push(at.to_owned()),
        _ => {}
    }
}

#[test]
fn kubectl_knows_every_field_of_what_runs() {
    let Some(manifests) = Manifests::of("overlays/example") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("workloads.json");
    let workloads: Vec<Value> = manifests.workloads().into_iter().cloned().collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": workloads});
    std::fs::write(&file, list.to_string()).unwrap();
    // To set something it reads all of it as what it is, and drops what it does not know.
    let mut set = kubectl().unwrap();
    set.args([
        "set",
        "env",
        "--local",
        "--output=json",
        "READ=1",
        "--filename",
    ]);
    let mut read = documents(&run(set.arg(&file)));
    if let [list] = &read[..]
        && list["kind"] == "List"
    {
        read = list["items"].as_array().unwrap().clone();
    }
    assert_eq!(read.len(), 5);
    for workload in workloads {
        let name = &workload["metadata"]["name"];
        let mut typed = read
            .iter()
            .find(|it| it["metadata"]["name"] == *name)
            .unwrap()
            .clone();
        let env = typed["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array_mut()
            .unwrap();
        env.retain(|it| it["name"] != "READ");
        let mut found = Vec::new();
        lost(&workload, &typed, "", &mut found);
        assert!(
            found.is_empty(),
            "{name} has fields that there are not: {found:?}"
        );
    }
}

#[test]
fn every_role_is_deployed_and_can_be_stopped_in_peace() {
    let Some(manifests) = Manifests::of("base") else {
        return;
    };
    let mut roles = BTreeSet::new();
    for deployment in manifests.all("Deployment") {
        let labels = &deployment["spec"]["template"]["metadata"]["labels"];
        let env = container(deployment)["env"].as_array().unwrap();
        let role = env
            .iter()
            .find(|it| it["name"] == "CARILLON_SERVER__ROLES")
            .unwrap();
        let role = role["value"].as_str().unwrap();
        assert_eq!(labels["app.kubernetes.io/component"], role);
        roles.insert(role.to_owned());
        assert_eq!(deployment["spec"]["selector"]["matchLabels"], *labels);
        assert_eq!(
            deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"],
            0
        );
        let name = deployment["metadata"]["name"].as_str().unwrap();
        let budget = manifests.find("PodDisruptionBudget", name);
        assert_eq!(budget["spec"]["selector"]["matchLabels"], *labels);
        let spread = &pod(deployment)["topologySpreadConstraints"][0];
        assert_eq!(spread["labelSelector"]["matchLabels"], *labels);
        let ports = container(deployment)["ports"].as_array().unwrap();
        assert!(
            ports
                .iter()
                .any(|it| it["name"] == "http" && it["containerPort"] == 8600)
        );
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            assert_eq!(
                container(deployment)[probe]["httpGet"]["port"],
                "http",
                "{probe}"
            );
        }
    }
    assert_eq!(
        roles.iter().collect::<Vec<_>>(),
        ROLES.iter().collect::<Vec<_>>()
    );

    let config: toml::Table = std::str::from_utf8(
        &manifests.files(&pod(manifests.role("api"))["volumes"][0])["carillon.toml"],
    )
    .unwrap()
    .parse()
    .unwrap();
    assert!(
        config["server"]["listen"]
            .as_str()
            .unwrap()
            .ends_with(":8600")
    );
    let (delay, deadline) = (
        &config["server"]["stop_delay"],
        &config["server"]["stop_deadline"],
    );
    assert!(seconds(delay) > 0);
    for deployment in manifests.all("Deployment") {
        let grace = pod(deployment)["terminationGracePeriodSeconds"]
            .as_u64()
            .unwrap();
        assert!(grace > seconds(deadline), "{deployment}");
    }
    let service = &manifests.find("Service", "carillon")["spec"];
    let api = &manifests.role("api")["spec"]["template"]["metadata"]["labels"];
    for (name, value) in service["selector"].as_object().unwrap() {
        assert_eq!(api[name], *value);
    }
    assert_eq!(service["ports"][0]["targetPort"], "http");
    // Every process is woken by every other, and by no stranger.
    let wake = &manifests.find("NetworkPolicy", "carillon-wake-up")["spec"];
    assert_eq!(
        wake["ingress"][0]["ports"][0],
        json!({"port": 8600, "protocol": "UDP"})
    );
    for labels in [
        &wake["podSelector"]["matchLabels"],
        &wake["ingress"][0]["from"][0]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(*labels, json!({"app.kubernetes.io/name": "carillon"}));
    }
}

#[test]
fn nothing_in_a_pod_may_more_than_it_must() {
    let Some(manifests) = Manifests::of("overlays/example") else {
        return;
    };
    for workload in manifests.workloads() {
        let pod = pod(workload);
        // Of a Service called carillon the variables would be taken for settings.
        assert_eq!(pod["enableServiceLinks"], false);
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        let container = container(workload);
        let may = &container["securityContext"];
        assert_eq!(may["allowPrivilegeEscalation"], false);
        assert_eq!(may["readOnlyRootFilesystem"], true);
        assert_eq!(may["capabilities"]["drop"], json!(["ALL"]));
        assert!(container["resources"]["limits"]["memory"].is_string());
        assert_ne!(
            container["image"], "carillon",
            "the overlay says which image"
        );
        let has = |name: &str| {
            pod["volumes"]
                .as_array()
                .unwrap()
                .iter()
                .any(|it| it["name"] == name)
        };
        // Keys lie where they are read, and nowhere else.
        let is_worker = workload["metadata"]["name"] == "carillon-worker";
        assert_eq!(has("credentials"), is_worker);
    }
    // A Secret that is followed keeps its name; one that is not is rolled out.
    manifests.find("Secret", "carillon-credentials");
    let secrets = manifests.all("Secret");
    let name = |it: &&&Value| {
        it["metadata"]["name"]
            .as_str()
            .unwrap()
            .starts_with("carillon-secrets-")
    };
    assert_eq!(secrets.iter().filter(name).count(), 1);
}

#[test]
fn the_program_takes_what_the_manifests_give_it() {
    for place in ["base", "overlays/example"] {
        let Some(mut manifests) = Manifests::of(place) else {
            return;
        };
        // The base leaves Secrets to the overlay.
        for (name, files) in [
            ("carillon-secrets", &["master.key", "store.password"][..]),
            ("carillon-credentials", &["credentials.toml"]),
        ] {
            if place == "base" {
                let data: BTreeMap<_, _> = files
                    .iter()
                    .map(|name| (*name, BASE64.encode("x")))
                    .collect();
                let secret = json!({"kind": "Secret", "metadata": {"name": name}, "data": data});
                manifests.0.push(secret);
            }
        }
        let directory = tempfile::tempdir().unwrap();
        for workload in manifests.workloads() {
            let contained = Contained::make(&manifests, workload, directory.path());
            let key = contained.root.join("secrets/master.key");
            if key.exists() {
                let refused = check_config(&contained.config(), &contained.env);
                assert_eq!(refused.code, 64, "it is to be replaced: {refused:?}");
                std::fs::write(key, BASE64.encode([7; 32])).unwrap();
            }
            let checked = check_config(&contained.config(), &contained.env);
            assert_eq!(checked.code, 0, "{checked:?}");
            let mut words: Vec<&str> = contained.args.iter().map(String::as_str).collect();
            words.push("--help");
            let asked = run_in(directory.path(), &words, &[]);
            assert_eq!(asked.code, 0, "{asked:?}");
            let table = contained.table();
            assert_eq!(
                table["store"]["migrate"].as_bool(),
                Some(false),
                "the Job does it"
            );
            assert!(contained.root.exists());
        }
    }
}

/// The whole overlay on this machine: other addresses, other secrets, and otherwise as it is written.
#[test]
fn what_the_manifests_deploy_works() {
    let (Some(manifests), Some(scratch)) = (Manifests::of("overlays/example"), Scratch::mariadb())
    else {
        return;
    };
    let home = Home::new();
    let key = push_sim::NewKey {
        team_id: "DEF123GHIJ".into(),
        key_id: "ABC123DEFG".into(),
        ..push_sim::NewKey::default()
    };
    let p8 = home
        .simulator
        .register_key(key)
        .unwrap()
        .signing_key_pem
        .unwrap();
    let place = tempfile::tempdir().unwrap();
    let contained = |workload: &Value| {
        let mut contained = Contained::make(&manifests, workload, place.path());
        let write = |file: &str, text: &str| {
            let file = contained.root.join(file);
            if file.exists() {
                std::fs::write(file, text).unwrap();
            }
        };
        write("secrets/master.key", &BASE64.encode([7; 32]));
        // The user of the tests has none.
        write("secrets/store.password", "");
        write("credentials/AuthKey_ABC123DEFG.p8", &p8);
        contained.env.extend(scratch.environment());
        let listen = (
            "CARILLON_SERVER__LISTEN".to_owned(),
            "127.0.0.1:0".to_owned(),
        );
        contained.env.extend([listen]);
        contained
    };
    let serve = |role: &str| {
        let contained = contained(manifests.role(role));
        assert_eq!(contained.args, ["serve"]);
        home.serve_by(|command| {
            command.envs(contained.env);
        })
    };

    // Nothing serves before the Job has run.
    let early = contained(manifests.role("sender"));
    let mut command = home.serve_command();
    let refused = command.envs(&early.env).output().unwrap();
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    let job = contained(manifests.find("Job", "carillon-migrate"));
    let env: Vec<_> = job
        .env
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let args: Vec<&str> = job.args.iter().map(String::as_str).collect();
    let migrated = run_in(home.path(), &args, &env);
    assert_eq!(migrated.code, 0, "{migrated:?}");

    let servers: Vec<(&str, Server<'_>)> = ROLES.map(|role| (role, serve(role))).into();
    for (role, server) in &servers {
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let path = container(manifests.role(role))[probe]["httpGet"]["path"]
                .as_str()
                .unwrap();
            let (status, answer) = server.call("GET", path, None, &Value::Null);
            assert_eq!(status, 200, "{role} {probe}: {answer}");
        }
    }
    let api = &servers[0].1;
    api.json(&["app", "put", "shop"]);
    api.import(&home.phones(1));
    // It would find out by itself, within credentials.poll_interval.
    signal(servers[3].1.pid(), "HUP");
    until("the mounted key is set", || {
        api.call("GET", "/v1/apps/shop/credentials/apple", None, &Value::Null)
            .0
            == 200
    });
    let body = json!({"target": {"devices": ["phone-1"]}, "content": {"body": "from a cluster"}});
    let (status, answer) = api.call("POST", "/v1/apps/shop/notifications", None, &body);
    assert_eq!(status, 202, "{answer}");
    let path = format!(
        "/v1/apps/shop/notifications/{}",
        answer["id"].as_str().unwrap()
    );
    let mut seen = Value::Null;
    until("it is complete", || {
        seen = serde_json::from_str(&api.get(&path)).unwrap();
        !seen["completed_at"].is_null()
    });
    assert_eq!(seen["deliveries"]["accepted"], 1, "{seen}");
}
