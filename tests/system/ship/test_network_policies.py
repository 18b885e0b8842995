"""The network policies close the shop's pods and no others: cert-manager's solver may stand beside them."""

from typing import Any

import yaml

from tests.support.starting import BASE_DIR

FOLDER = BASE_DIR / "deploy" / "kubernetes"
RESOURCES = [
    resource for file in sorted(FOLDER.glob("*.yaml")) for resource in yaml.safe_load_all(file.read_text())
]
PODS = {
    f"{it['kind']} {it['metadata']['name']}": it["spec"]["template"]["metadata"]["labels"]
    for it in RESOURCES
    if "template" in it.get("spec", {})
}
POLICIES = [it["spec"] for it in RESOURCES if it["kind"] == "NetworkPolicy"]
#: The pod by which cert-manager answers an HTTP-01 challenge, made in the Ingress' namespace.
SOLVER = {"acme.cert-manager.io/http01-solver": "true"}


def closing(labels: dict[str, str]) -> list[dict[str, Any]]:
    """The policies that choose a pod with these labels: with any, it gets what one of them lets through."""
    return [it for it in POLICIES if it["podSelector"].get("matchLabels", {}).items() <= labels.items()]


def ports(labels: dict[str, str]) -> list[Any]:
    rules = [rule for policy in closing(labels) for rule in policy.get("ingress", [])]
    return [port["port"] for rule in rules for port in rule["ports"]]


def test_every_pod_of_the_shop_is_closed_but_for_the_port_of_web() -> None:
    assert len(PODS) == 3
    assert [name for name, labels in PODS.items() if not closing(labels)] == []
    opened = {name: ports(labels) for name, labels in PODS.items() if ports(labels)}
    assert opened == {"Deployment kopeck-web": ["http"]}


def test_a_pod_that_is_not_the_shops_is_left_alone() -> None:
    assert closing(SOLVER) == []
