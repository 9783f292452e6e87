#!/usr/bin/env python3
"""Writes `hiraeth.json`, the dashboard for Grafana (9 or later), from the table below.

make.py            writes it
make.py --check    exit code 1 if the file is not what the table says
"""

import json
import pathlib
import sys

FILE = pathlib.Path(__file__).parent / "hiraeth.json"
NODE = 'job=~"$job",instance=~"$instance"'

# (row, [(title, unit, [(expression, legend)], what to see)]); NODE stands for the chosen nodes.
ROWS = [
    (
        "Is it well?",
        [
            (
                "Nodes that are up",
                "stat",
                [("sum(up{NODE})", "up")],
                "Nodes that Prometheus reaches.",
            ),
            (
                "Regions that do not serve",
                "stat-bad",
                [
                    (
                        'sum(hiraeth_regions{NODE,state!~"active|transferring"}) or vector(0)',
                        "regions",
                    )
                ],
                "Replicas of regions without a quorum, without a leader, read-only or set aside.",
            ),
            (
                "Alarms",
                "stat-bad",
                [
                    (
                        'count(ALERTS{alertstate="firing",alertname=~"Hiraeth.*"}) or vector(0)',
                        "alarms",
                    )
                ],
                "Of packaging/prometheus/alerts.yml.",
            ),
            (
                "Versions",
                "stat",
                [("count(count by (version) (hiraeth_build_info{NODE}))", "versions")],
                "",
            ),
            (
                "Regions by state",
                "short",
                [("sum by (state) (hiraeth_regions{NODE})", "{{state}}")],
                "Anything but `active` for more than a moment is worth a look.",
            ),
            (
                "Who leads",
                "short",
                [("hiraeth_regions_leading{NODE}", "{{instance}}")],
                "Regions that each node leads. Leaders of sharded keyspaces are kept even.",
            ),
        ],
    ),
    (
        "Load",
        [
            (
                "Calls",
                "ops",
                [
                    (
                        "sum by (grpc_method) (rate(grpc_server_handled_total{NODE}[1m])) > 0",
                        "{{grpc_method}}",
                    )
                ],
                "gRPC calls that ended, by method.",
            ),
            (
                "Writes by how they ended",
                "ops",
                [("sum by (outcome) (rate(hiraeth_proposals_total{NODE}[1m]))", "{{outcome}}")],
                "`applied` is well; docs/operations.md has a row for every other word.",
            ),
            (
                "Reads by how fresh they are",
                "ops",
                [("sum by (mode) (rate(hiraeth_reads_total{NODE}[1m]))", "{{mode}}")],
                "",
            ),
            (
                "Time of writes",
                "s",
                [
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(hiraeth_write_seconds_bucket{NODE}[1m])))",
                        "half",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(hiraeth_write_seconds_bucket{NODE}[1m])))",
                        "99 of 100",
                    ),
                ],
                "From door to answer, of one in 64.",
            ),
            (
                "Time reads wait",
                "s",
                [
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(hiraeth_read_wait_seconds_bucket{NODE}[1m])))",
                        "half",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(hiraeth_read_wait_seconds_bucket{NODE}[1m])))",
                        "99 of 100",
                    ),
                ],
                "Until a quorum said that this copy is fresh enough.",
            ),
            (
                "Clients' bytes",
                "Bps",
                [
                    (
                        "rate(etcd_network_client_grpc_received_bytes_total{NODE}[1m])",
                        "in {{instance}}",
                    ),
                    (
                        "-rate(etcd_network_client_grpc_sent_bytes_total{NODE}[1m])",
                        "out {{instance}}",
                    ),
                ],
                "",
            ),
        ],
    ),
    (
        "Log and engine",
        [
            (
                "Time of syncs of the log, 99 of 100",
                "s",
                [
                    (
                        "histogram_quantile(0.99, rate(hiraeth_log_sync_seconds_bucket{NODE}[1m]))",
                        "{{instance}}",
                    )
                ],
                "Every write waits for one. Above 10 ms the disk is the limit.",
            ),
            (
                "Writes with one sync",
                "short",
                [
                    (
                        "rate(hiraeth_log_batch_writes_sum{NODE}[1m]) / rate(hiraeth_log_batch_writes_count{NODE}[1m])",
                        "{{instance}}",
                    )
                ],
                "",
            ),
            (
                "Bytes to the log",
                "Bps",
                [("rate(hiraeth_log_bytes_total{NODE}[1m])", "{{instance}}")],
                "",
            ),
            (
                "Time the engine takes, 99 of 100",
                "s",
                [
                    (
                        "histogram_quantile(0.99, rate(hiraeth_engine_commit_seconds_bucket{NODE}[1m]))",
                        "{{instance}}",
                    )
                ],
                "For a batch of applied entries.",
            ),
            (
                "Entries to a batch",
                "short",
                [
                    (
                        "rate(hiraeth_applied_entries_total{NODE}[1m]) / rate(hiraeth_apply_rounds_total{NODE}[1m])",
                        "{{instance}}",
                    )
                ],
                "",
            ),
            (
                "Free disk",
                "bytes",
                [
                    ("hiraeth_disk_free_bytes{NODE}", "{{instance}}"),
                    ("max(hiraeth_disk_reserve_bytes{NODE})", "no writes below"),
                ],
                "",
            ),
        ],
    ),
    (
        "Replication",
        [
            (
                "Committed and not applied",
                "short",
                [("hiraeth_apply_lag_max_entries{NODE}", "{{instance}}")],
                "Of the region where it is most.",
            ),
            (
                "What followers lack",
                "short",
                [("max by (peer) (hiraeth_peer_lag_entries{NODE})", "node {{peer}}")],
                "Entries of the region where it is most, as its leader knows.",
            ),
            (
                "Changes of leader, elections",
                "ops",
                [
                    ("rate(hiraeth_leader_changes_total{NODE}[5m])", "changes {{instance}}"),
                    ("rate(hiraeth_elections_total{NODE}[5m])", "elections {{instance}}"),
                ],
                "",
            ),
            (
                "Way to other nodes and back",
                "s",
                [("hiraeth_peer_round_trip_seconds{NODE}", "{{instance}} to {{peer}}")],
                "",
            ),
            (
                "Bytes to other nodes",
                "Bps",
                [
                    (
                        'sum by (instance, lane) (rate(hiraeth_peer_bytes_total{NODE,way="sent"}[1m]))',
                        "{{instance}} {{lane}}",
                    )
                ],
                "Without snapshots.",
            ),
            (
                "Snapshots",
                "short",
                [
                    (
                        "sum by (peer) (hiraeth_peer_snapshots{NODE})",
                        "on their way to node {{peer}}",
                    ),
                    ("increase(hiraeth_snapshots_failed_total{NODE}[5m])", "failed {{instance}}"),
                    (
                        "increase(hiraeth_snapshots_installed_total{NODE}[5m])",
                        "installed {{instance}}",
                    ),
                ],
                "",
            ),
        ],
    ),
    (
        "Watches, leases, registry",
        [
            (
                "Watches",
                "short",
                [
                    ("sum(hiraeth_watches{NODE})", "watches"),
                    ("sum(hiraeth_watch_streams{NODE})", "streams"),
                    ("sum(hiraeth_watches_behind{NODE})", "behind"),
                ],
                "Those behind read what they missed from history.",
            ),
            (
                "Leases",
                "short",
                [("sum(hiraeth_leases{NODE})", "leases")],
                "Counted by the leaders of their keyspaces.",
            ),
            (
                "What is registered",
                "short",
                [
                    ("max(hiraeth_registry_instances{NODE})", "instances"),
                    ("max(hiraeth_registry_services{NODE})", "services"),
                    ("max(hiraeth_registry_checks{NODE})", "checks"),
                ],
                "",
            ),
            (
                "Time of pushes, 99 of 100",
                "s",
                [
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(hiraeth_registry_push_seconds_bucket{NODE}[1m])))",
                        "99 of 100",
                    )
                ],
                "From a change of a service to its subscribers' word that they have it.",
            ),
            (
                "Subscribers",
                "short",
                [
                    ("sum(hiraeth_registry_subscriptions{NODE})", "subscriptions"),
                    ("sum(hiraeth_registry_waiting{NODE})", "blocking queries"),
                    ("sum(hiraeth_registry_held_back{NODE})", "checks held back"),
                ],
                "",
            ),
            (
                "DNS",
                "ops",
                [("sum by (code) (rate(hiraeth_dns_answers_total{NODE}[1m]))", "{{code}}")],
                "",
            ),
        ],
    ),
    (
        "Machine",
        [
            (
                "Processor",
                "percentunit",
                [("rate(process_cpu_seconds_total{NODE}[1m])", "{{instance}}")],
                "Of one.",
            ),
            ("Memory", "bytes", [("process_resident_memory_bytes{NODE}", "{{instance}}")], ""),
            (
                "File descriptors",
                "percentunit",
                [("process_open_fds{NODE} / process_max_fds{NODE}", "{{instance}}")],
                "Of those that may be open.",
            ),
            (
                "What waits for threads",
                "short",
                [("sum by (queue) (hiraeth_queue_tasks{NODE})", "{{queue}}")],
                "",
            ),
            (
                "Clocks",
                "s",
                [
                    (
                        "hiraeth_clock_seconds{NODE} - timestamp(hiraeth_clock_seconds{NODE})",
                        "{{instance}}",
                    )
                ],
                "Against that of Prometheus.",
            ),
            (
                "Up for",
                "s",
                [("time() - process_start_time_seconds{NODE}", "{{instance}}")],
                "",
            ),
        ],
    ),
    (
        "Gateways",
        [
            (
                "Members that serve",
                "short",
                [("sum by (instance) (hiraeth_gateway_member_ready)", "{{instance}}")],
                "As each gateway finds them.",
            ),
            (
                "Clients",
                "short",
                [("sum by (instance) (hiraeth_gateway_connections)", "{{instance}}")],
                "Connections.",
            ),
            (
                "Requests",
                "ops",
                [
                    (
                        "sum by (instance) (rate(hiraeth_gateway_requests_total[1m]))",
                        "{{instance}}",
                    ),
                    (
                        "sum by (instance) (rate(hiraeth_gateway_refused_total[1m]))",
                        "refused {{instance}}",
                    ),
                ],
                "",
            ),
        ],
    ),
]

SOURCE = {"type": "prometheus", "uid": "${source}"}


def panel(number, place, title, unit, targets, text):
    is_stat = unit.startswith("stat")
    bad = {
        "mode": "absolute",
        "steps": [{"color": "green", "value": None}, {"color": "red", "value": 1}],
    }
    good = {"mode": "absolute", "steps": [{"color": "green", "value": None}]}
    defaults = {
        "unit": "short" if is_stat else unit,
        "min": None if "-rate" in targets[-1][0] else 0,
    }
    defaults["thresholds"] = bad if unit == "stat-bad" else good
    if title == "Clocks":
        defaults["min"] = None
    made = {
        "id": number,
        "type": "stat" if is_stat else "timeseries",
        "title": title,
        "description": text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": SOURCE,
                "expr": expression.replace("NODE", NODE),
                "legendFormat": legend,
                "instant": is_stat,
                "range": not is_stat,
            }
            for at, (expression, legend) in enumerate(targets)
        ],
    }
    if is_stat:
        made["options"] = {"colorMode": "value", "reduceOptions": {"calcs": ["lastNotNull"]}}
    else:
        made["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi"},
        }
    return made


def panels():
    made, top = [], 0
    for row, contents in ROWS:
        place = {"x": 0, "y": top, "w": 24, "h": 1}
        made.append(
            {
                "id": len(made) + 1,
                "type": "row",
                "title": row,
                "collapsed": False,
                "gridPos": place,
                "panels": [],
            }
        )
        top += 1
        left = high = 0
        for title, unit, targets, text in contents:
            width, height = (6, 4) if unit.startswith("stat") else (8, 8)
            if left + width > 24:
                left, top = 0, top + high
            high = height
            place = {"x": left, "y": top, "w": width, "h": height}
            made.append(panel(len(made) + 1, place, title, unit, targets, text))
            left += width
        top += high
    return made


def variable(name, label, query):
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def dashboard():
    source = {
        "name": "source",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    return {
        "uid": "hiraeth",
        "title": "Hiraeth",
        "tags": ["hiraeth"],
        "schemaVersion": 37,
        "version": 1,
        "editable": True,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "",
        "templating": {
            "list": [
                source,
                variable("job", "Job", "label_values(hiraeth_build_info, job)"),
                variable(
                    "instance", "Node", 'label_values(hiraeth_build_info{job=~"$job"}, instance)'
                ),
            ]
        },
        "annotations": {
            "list": [
                {
                    "name": "Leader changes",
                    "enable": False,
                    "datasource": SOURCE,
                    "expr": 'sum(changes(hiraeth_region_is_leader{job=~"$job"}[1m])) > 0',
                    "iconColor": "orange",
                }
            ]
        },
        "panels": panels(),
    }


def main():
    text = json.dumps(dashboard(), indent=1) + "\n"
    if "--check" in sys.argv:
        if FILE.read_text() != text:
            sys.exit(f"{FILE.name} is not what make.py writes; run it")
        return
    FILE.write_text(text)


if __name__ == "__main__":
    main()
