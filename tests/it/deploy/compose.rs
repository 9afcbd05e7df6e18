//! The Compose file: valid by the specification's own schema, and what it promises about networks and rights.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use super::{root, text};
use crate::world::programs::{clients, documented_exports};

/// The command of the service `connector`.
pub(crate) fn connector_command() -> Vec<String> {
    let compose = compose();
    texts(&compose["services"]["connector"]["command"])
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_compose_file_is_one_by_the_specification() {
    let schema = fs::read(clients().join("compose-spec.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let compose = compose();
    let errors: Vec<_> = validator
        .iter_errors(&compose)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    // and the schema can tell
    let mut wrong = compose;
    wrong["services"]["gate"]["red_only"] = json!(true);
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn only_the_gate_has_a_network_that_leads_out() {
    let compose = compose();
    let services = &compose["services"];
    assert_eq!(services["gate"]["networks"], json!(["agents", "out"]));
    assert_eq!(services["connector"]["networks"], json!(["agents"]));
    assert_eq!(services["agent"]["network_mode"], "service:connector");
    assert_eq!(services["agent"]["networks"], Value::Null);
    let agents = &compose["networks"]["agents"];
    assert_eq!(agents["internal"], true);
    assert_eq!(agents["enable_ipv6"], false);
    let mode = "com.docker.network.bridge.gateway_mode_ipv4";
    assert_eq!(agents["driver_opts"][mode], "isolated");
    assert_eq!(services["gate"]["sysctls"]["net.ipv4.ip_forward"], "0");
    assert_eq!(services["connector"]["dns"], json!(["127.0.0.1"]));
    for (name, service) in services.as_object().unwrap() {
        for opening in [
            "ports",
            "privileged",
            "extra_hosts",
            "links",
            "pid",
            "cap_add",
            "devices",
        ] {
            assert_eq!(service[opening], Value::Null, "{name} has {opening}");
        }
    }
}

#[test]
fn no_service_has_more_rights_than_it_needs() {
    let compose = compose();
    let services = &compose["services"];
    for name in ["gate", "connector"] {
        let service = &services[name];
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["user"], "65532:65532", "{name}");
        let image = format!("tollgate:{}", env!("CARGO_PKG_VERSION"));
        assert_eq!(service["image"], image, "{name}");
    }
    for (name, service) in services.as_object().unwrap() {
        assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
        let options = &service["security_opt"];
        assert_eq!(*options, json!(["no-new-privileges:true"]), "{name}");
        assert!(service["user"].as_str().unwrap() > "1", "{name}");
    }
}

#[test]
fn the_agent_has_the_documented_variables_and_no_key() {
    let compose = compose();
    let agent = &compose["services"]["agent"];
    let documented: BTreeSet<_> = documented_exports()
        .into_iter()
        .flat_map(|line| line.trim_start_matches("export ").split(' '))
        .filter_map(|word| Some(word.split_once('=')?.0.to_owned()))
        .collect();
    let variables = agent["environment"].as_object().unwrap();
    assert_eq!(
        variables.keys().cloned().collect::<BTreeSet<_>>(),
        documented
    );
    assert_eq!(agent["secrets"], Value::Null);
    let sources: Vec<_> = sources(agent).collect();
    assert_eq!(sources, ["./pki/interception-ca.crt"]);
    // the connector serves the agent's user, who is not the connector's own
    let user = agent["user"].as_str().unwrap().split(':').next().unwrap();
    assert!(connector_command().contains(&format!("--peer-uid={user}")));
    assert_ne!(user, "65532");
}

#[test]
fn every_file_that_it_mounts_is_there_or_made_by_the_commands_in_its_head() {
    let compose = compose();
    let made = super::settings::made_by_pki_init("gate");
    let mut mounted: Vec<String> = Vec::new();
    for service in compose["services"].as_object().unwrap().values() {
        mounted.extend(sources(service).map(str::to_owned));
        for secret in service["secrets"].as_array().into_iter().flatten() {
            let file = &compose["secrets"][secret.as_str().unwrap()]["file"];
            mounted.push(file.as_str().expect("the secret is declared").to_owned());
        }
    }
    assert!(mounted.len() > 10, "{mounted:?}");
    for source in mounted {
        let found = match source.strip_prefix("./pki/") {
            Some(name) => made.path().join("pki").join(name).is_file(),
            // the first two are what deploy/vault/setup.sh writes, the third is the server's own
            None => {
                ["./vault/role-id", "./vault/secret-id", "./vault/ca.crt"].contains(&&*source)
                    || root().join("deploy").join(&source).exists()
            }
        };
        assert!(found, "{source}");
    }
}

#[test]
fn the_health_check_asks_where_the_settings_have_the_gate_answer() {
    let compose = compose();
    let services = &compose["services"];
    let check = &services["gate"]["healthcheck"]["test"];
    assert_eq!(*check, json!(["CMD", "/tollgate", "ready"]));
    let waits = &services["connector"]["depends_on"]["gate"]["condition"];
    assert_eq!(waits, "service_healthy");
    // where `ready` asks if nothing is said
    assert!(text("tollgate.compose.yaml").contains("\nadmin: 127.0.0.1:9901\n"));
}

#[test]
fn the_gate_may_drain_before_it_is_killed() {
    let gate = &compose()["services"]["gate"];
    assert_eq!(gate["stop_grace_period"], "11m");
    let drain = fs::read_to_string(root().join("config/tollgate.yaml")).unwrap();
    assert!(drain.contains("\ndrain: 10m"), "the default has changed");
}

fn compose() -> Value {
    serde_saphyr::from_str(&text("compose.yaml")).unwrap()
}

fn sources(service: &Value) -> impl Iterator<Item = &str> {
    let volumes = service["volumes"].as_array().into_iter().flatten();
    volumes.map(|volume| volume["source"].as_str().unwrap())
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
}
